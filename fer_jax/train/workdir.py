"""The folder of a run: config.json, data.json, metrics.jsonl, checkpoints/, samples/, plots/, eval/."""

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_jax.core.errors import RunFailed, UsageError

if TYPE_CHECKING:  # it imports jax
    from fer_jax.core.protocols import DataSpec

CONFIG = "config.json"
SPEC = "data.json"
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # what a disk says that is full, or takes no more


def as_dict(config) -> dict[str, Any]:
    """The resolved config as plain values."""
    return json.loads(config.to_json())


@contextlib.contextmanager
def admitted(workdir: Path, config) -> Iterator[None]:
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


def claim(workdir: Path, config) -> None:
    """Makes the folder this config's.

    Raises:
      UsageError: as `admitted` does.
      RunFailed: the disk is full.
    """
    with admitted(workdir, config):
        _write_json(workdir / CONFIG, as_dict(config))


def check(workdir: Path, config) -> None:
    """Refuses a folder that is not this config's.

    Raises:
      UsageError: no run there, or another config's; the differing fields are named.
    """
    path = workdir / CONFIG
    if not path.exists():
        raise UsageError(f"--workdir {workdir}: no {CONFIG} there, so no run to restore; train first (--mode=train)")
    try:
        saved = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); restore the file or name another --workdir") from error
    mine, theirs = (_identity(_flat(tree)) for tree in (as_dict(config), saved))
    differing = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name, "-") != theirs.get(name, "-"))
    if differing:
        shown = ", ".join(f"{n} ({theirs.get(n, '-')} there, {mine.get(n, '-')} now)" for n in differing[:5])
        more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise UsageError(f"--workdir {workdir} is a run of another config: {shown}{more}; name another --workdir")


def write_spec(workdir: Path, spec: "DataSpec") -> None:
    """Writes what the system was built from beside its config, so that tools need not open the data sets.

    Raises:
      UsageError: it cannot be written.
      RunFailed: the disk is full.
    """
    _write_json(workdir / SPEC, spec._asdict())


def read_spec(workdir: Path) -> "DataSpec":
    """What `write_spec` wrote.

    Raises:
      UsageError: it is missing or damaged.
    """
    path = workdir / SPEC
    if not path.exists():
        raise UsageError(f"--workdir {workdir}: no {SPEC} there; train in it once more, which writes it (--mode=train)")
    try:
        return spec_of(json.loads(path.read_text()))
    except (OSError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); train once more, which writes it anew") from error


def spec_of(plain: Mapping[str, Any]) -> "DataSpec":
    """A spec from what JSON makes of one."""
    from fer_jax.core.protocols import DataSpec

    spec = DataSpec(**plain)
    classes = {field: tuple(map(str, names)) for field, names in spec.classes.items()}
    scales = {field: tuple(map(float, values)) for field, values in spec.scales.items()}
    absent = {field: tuple(map(str, names)) for field, names in spec.absent.items()}
    return spec._replace(classes=classes, scales=scales, absent=absent)


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


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _identity(flat: Mapping[str, Any]) -> dict[str, Any]:
    machine = ("data_dir", "path", "folder")
    return {n: v for n, v in flat.items() if not n.startswith("run.") and n.rpartition(".")[2] not in machine}
