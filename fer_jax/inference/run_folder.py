"""The folder of a run, read: config.json, which it was made by, and data.json, what its system was built from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_jax import systems
from fer_jax.core.config import SystemConfig, as_plain
from fer_jax.core.errors import UsageError
from fer_jax.core.spec import DataSpec

CONFIG = "config.json"
SPEC = "data.json"
CHECKPOINTS = "checkpoints"


def read_config(folder: Path) -> SystemConfig:
    """The config that a run was made by.

    Raises:
      UsageError: there is none, or it is damaged, or of a version of this library that wrote other fields.
    """
    path = folder / CONFIG
    if not path.exists():
        raise UsageError(f"--workdir {folder}: no {CONFIG} there, so no run; train first (fer-jax train)")
    try:
        fields = dict(json.loads(path.read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); restore the file or name another --workdir") from error
    try:
        return systems.parse_config(fields)
    except UsageError as error:
        raise UsageError(f"{path}: {error}; the run is of another version: train anew, in another --workdir") from error


def read_spec(folder: Path) -> DataSpec:
    """What a run's system was built from.

    Raises:
      UsageError: it is missing or damaged.
    """
    path = folder / SPEC
    if not path.exists():
        raise UsageError(f"--workdir {folder}: no {SPEC} there; train in it once more, which writes it (--mode=train)")
    try:
        return DataSpec.of(json.loads(path.read_text()))
    except (OSError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); train once more, which writes it anew") from error


def check(folder: Path, config: SystemConfig) -> None:
    """Refuses a folder that is not this config's.

    Raises:
      UsageError: no run there, or another config's; the differing fields are named.
    """
    path = folder / CONFIG
    if not path.exists():
        raise UsageError(f"--workdir {folder}: no {CONFIG} there, so no run to restore; train first (--mode=train)")
    try:
        saved = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); restore the file or name another --workdir") from error
    mine, theirs = (_identity(_flat(tree)) for tree in (as_plain(config), saved))
    differing = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name, "-") != theirs.get(name, "-"))
    if differing:
        shown = ", ".join(f"{n} ({theirs.get(n, '-')} there, {mine.get(n, '-')} now)" for n in differing[:5])
        more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise UsageError(f"--workdir {folder} is a run of another config: {shown}{more}; name another --workdir")


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _identity(flat: Mapping[str, Any]) -> dict[str, Any]:
    machine = ("data_dir", "path", "folder")
    return {n: v for n, v in flat.items() if not n.startswith("run.") and n.rpartition(".")[2] not in machine}
