"""The folder of a run, written: config.json, data.json, metrics.jsonl, checkpoints/, samples/, plots/, eval/."""

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fer_jax.core.config import SystemConfig, as_plain
from fer_jax.core.errors import RunFailed, UsageError
from fer_jax.core.spec import DataSpec
from fer_jax.inference.run_folder import CONFIG, SPEC, check

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # what a disk says that is full, or takes no more


@contextlib.contextmanager
def admitted(workdir: Path, config: SystemConfig) -> Iterator[None]:
    """Around what may still refuse a run: the folder is made, and goes again if the run is refused and it was new.

    It may be a new one or one of the same config, and nothing is left in it. How long a run lasts and how often it
    reports (`config.run`), and where data lies on this machine, may differ.

    Raises:
      UsageError: the folder is another config's (the differing fields are named), or cannot be written.
      RunFailed: the disk is full.
    """
    new = not workdir.exists()
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        if not os.access(workdir, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unwritable(workdir, error) from error
    try:
        if (workdir / CONFIG).exists():
            check(workdir, config)
        yield
    except BaseException:
        if new:
            with contextlib.suppress(OSError):  # of a folder that is not empty
                workdir.rmdir()
        raise


def claim(workdir: Path, config: SystemConfig) -> None:
    """Makes the folder this config's.

    Raises:
      UsageError: as `admitted` does.
      RunFailed: the disk is full.
    """
    with admitted(workdir, config):
        _write_json(workdir / CONFIG, as_plain(config))


def write_spec(workdir: Path, spec: DataSpec) -> None:
    """Writes what the system was built from beside its config, so that commands need not open the data sets.

    Raises:
      UsageError: it cannot be written.
      RunFailed: the disk is full.
    """
    _write_json(workdir / SPEC, spec._asdict())


@contextlib.contextmanager
def writing(workdir: Path) -> Iterator[None]:
    """Around whatever is written during a run.

    Raises:
      RunFailed: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK:
            raise
        raise _unwritable(workdir, error) from error


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    partial = path.with_suffix(".tmp")
    try:
        partial.write_text(json.dumps(value, indent=2) + "\n")
        partial.replace(path)
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def _unwritable(workdir: Path, error: OSError) -> UsageError | RunFailed:
    text = f"--workdir {workdir}: cannot be written: {error.strerror or error}"
    return RunFailed(f"{text}; make room and run the same command again") if error.errno in _DISK else UsageError(text)
