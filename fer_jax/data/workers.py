"""Makes many pictures with all cores, in order, with bounded memory, with the same result for any worker count."""

from __future__ import annotations

import collections
import contextlib
import itertools
import multiprocessing
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

CHUNK = 16  # pictures a task: some 0.5 s of work
FEW = 64  # fewer pictures than this do not pay for starting processes
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def in_order(
    function: Callable[[list[Any]], list[Any]], jobs: Iterable[Any], workers: int | None = None
) -> Generator[Any, None, None]:
    """Yields the results of `jobs` in their order; only a few of them are taken ahead.

    Args:
      function: results of some jobs; with the jobs it goes to other processes, so it is one of a module's own.
      jobs: what it is called with.
      workers: processes; None = one a core, or none at all for fewer than 64 jobs. 1 works in this process.

    Raises:
      ValueError: `workers` is below 1.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers: expected at least 1, got {workers}")
    jobs = iter(jobs)
    if workers is None:
        first = list(itertools.islice(jobs, FEW))
        workers = 1 if len(first) < FEW else os.cpu_count() or 1
        jobs = itertools.chain(first, jobs)
    if workers == 1:
        for job in jobs:
            yield from function([job])
        return
    chunks = iter(lambda: list(itertools.islice(jobs, CHUNK)), [])
    # spawn: forking a process that holds TensorFlow or JAX threads can deadlock. Workers import neither.
    context = multiprocessing.get_context("spawn")
    with _single_threaded(), ProcessPoolExecutor(workers, mp_context=context) as executor:
        pending = collections.deque(executor.submit(function, chunk) for chunk in itertools.islice(chunks, 2 * workers))
        try:
            while pending:
                results = pending.popleft().result()
                pending.extend(executor.submit(function, chunk) for chunk in itertools.islice(chunks, 1))
                yield from results
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    """Sets the variables that keep the workers' BLAS to one thread each, and puts the old values back."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
