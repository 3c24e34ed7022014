"""Data sets by name: each is a module with a function `builder`, most of them files of `fer_jax.data.sources`."""

import contextlib
import fcntl
import hashlib
import importlib
import inspect
import io
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from absl import logging

from fer_jax.core.errors import UsageError
from fer_jax.data import sources

_ELSEWHERE = {"rendered_faces": "fer_jax.rendered.data_set"}  # data sets that are drawn, by rooms above this one


def available() -> list[str]:
    """Names of the data sets."""
    return sorted([*(module.name for module in pkgutil.iter_modules(sources.__path__)), *_ELSEWHERE])


def module_of(name: str) -> ModuleType:
    """The module of a data set.

    Raises:
      UsageError: there is no such data set.
    """
    if name not in available():
        raise UsageError(f"config.data: unknown source {name!r}; have {', '.join(available())}")
    return importlib.import_module(_ELSEWHERE.get(name, f"fer_jax.data.sources.{name}"))


def open_source(name: str, *, data_dir: str | None, skip_bad: bool, path: str | None, options: Mapping[str, Any]):
    """The prepared TFDS builder of a data set; prepares it first where that has not been done.

    Args:
      name: of the data set.
      data_dir: TFDS folder; None = TFDS's default.
      skip_bad: leave out pictures that cannot be decoded instead of stopping at the first.
      path: where the user's files lie, for sets that cannot be made here; None = the default place.
      options: the data set's own.

    Raises:
      UsageError: no such data set, an option that it does not take, or its files are missing or bad.
    """
    make = module_of(name).builder
    takes = set(inspect.signature(make).parameters)
    given = {"data_dir": data_dir, **options}
    if "skip_bad" in takes:
        given["skip_bad"] = skip_bad
    if path:
        given["path"] = path
    if unknown := sorted(set(given) - takes):
        raise UsageError(f"config.data: {name} takes no {', '.join(unknown)}; it takes {', '.join(sorted(takes))}")
    if not sys.stderr.isatty():  # no bars in a log
        import tensorflow_datasets as tfds

        tfds.disable_progress_bar()
    try:
        builder = make(**given)
    except ValueError as error:
        raise UsageError(f"config.data: {error}") from error
    with _one_at_a_time(builder):
        if not _prepared(builder):
            logging.info("preparing %s in %s", name, builder.data_dir)
        elif not builder.info.splits:  # another process has prepared it since: only a new builder reads what there is
            builder = make(**given)
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints two lines about its folder
                builder.download_and_prepare(file_format="array_record")
        except OSError as error:
            raise UsageError(f"{name}: cannot be written to {builder.data_dir}: {error.strerror or error}") from error
    return builder


def _prepared(builder) -> bool:
    return Path(builder.data_dir).exists()


@contextlib.contextmanager
def _one_at_a_time(builder) -> Iterator[None]:
    """Processes that share a TFDS folder prepare a set once: the others wait and find it there."""
    folder = Path(builder.data_dir)
    if _prepared(builder):
        yield
        return
    root = folder.parents[2] if len(folder.parents) > 2 else folder.parent
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / f".{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}.lock").open("w")
    except OSError as error:
        raise UsageError(f"config.data.data_dir: {root} cannot be written: {error.strerror}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
