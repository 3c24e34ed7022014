"""Renders many pictures with all cores, in order, with bounded memory, with the same result for any worker count."""

from __future__ import annotations

import collections
import contextlib
import itertools
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from fer_jax.data.faces import population

CHUNK = 16  # pictures a task: some 0.5 s of work at 128 pixels
FEW = 64  # fewer pictures than this do not pay for starting processes
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
Job = tuple[int, int, int, int]  # seed, identity, picture, size


def render_all(jobs: Iterable[Job], workers: int | None = None) -> Iterator[tuple[Job, np.ndarray]]:
    """Yields (job, uint8 picture) in the order of `jobs`.

    Args:
      jobs: (seed, identity, picture, size) tuples.
      workers: processes; None = one a core, or none at all for fewer than 64 pictures. 1 renders in this process.

    Raises:
      ValueError: `workers` is below 1.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers: expected at least 1, got {workers}")
    jobs = list(jobs)
    if workers is None:
        workers = 1 if len(jobs) < FEW else os.cpu_count() or 1
    if workers == 1:
        for job in jobs:
            yield job, population.render_many([job])[0]
        return
    chunks = [jobs[start : start + CHUNK] for start in range(0, len(jobs), CHUNK)]
    # spawn: forking a process that holds TensorFlow or JAX threads can deadlock. Workers import numpy only.
    context = multiprocessing.get_context("spawn")
    with _single_threaded(), ProcessPoolExecutor(workers, mp_context=context) as executor:
        waiting = iter(chunks)
        pending = collections.deque(
            (chunk, executor.submit(population.render_many, chunk)) for chunk in itertools.islice(waiting, 2 * workers)
        )
        try:
            while pending:
                chunk, future = pending.popleft()
                pictures = future.result()
                for following in itertools.islice(waiting, 1):
                    pending.append((following, executor.submit(population.render_many, following)))
                yield from zip(chunk, pictures, strict=True)
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
