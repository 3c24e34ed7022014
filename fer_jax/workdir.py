"""The folder of a run: config.json, data.json, metrics.jsonl, checkpoints/, samples/, plots/, eval/."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_jax.errors import UsageError

if TYPE_CHECKING:  # it imports jax
    from fer_jax.systems.base import DataSpec

CONFIG = "config.json"
SPEC = "data.json"


def as_dict(config) -> dict[str, Any]:
    """The resolved config as plain values."""
    return json.loads(config.to_json())


def claim(workdir: Path, config) -> None:
    """Makes the folder this config's; a folder of the same config is gone on with.

    How long a run lasts and how often it reports (`config.run`), and where data lies on this machine, may differ.

    Raises:
      UsageError: the folder is another config's (the differing fields are named), or cannot be written.
    """
    path = workdir / CONFIG
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        if path.exists():
            check(workdir, config)
        partial = path.with_suffix(".tmp")
        partial.write_text(json.dumps(as_dict(config), indent=2) + "\n")
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"--workdir {workdir}: cannot be written: {error.strerror or error}") from error


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
    """
    path = workdir / SPEC
    try:
        partial = path.with_suffix(".tmp")
        partial.write_text(json.dumps(spec._asdict(), indent=2) + "\n")
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"--workdir {workdir}: cannot be written: {error.strerror or error}") from error


def read_spec(workdir: Path) -> "DataSpec":
    """What `write_spec` wrote.

    Raises:
      UsageError: it is missing or damaged.
    """
    from fer_jax.systems.base import DataSpec

    path = workdir / SPEC
    if not path.exists():
        raise UsageError(f"--workdir {workdir}: no {SPEC} there; train in it once more, which writes it (--mode=train)")
    try:
        spec = DataSpec(**json.loads(path.read_text()))
        classes = {field: tuple(map(str, names)) for field, names in spec.classes.items()}
        return spec._replace(classes=classes)
    except (OSError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); train once more, which writes it anew") from error


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _identity(flat: Mapping[str, Any]) -> dict[str, Any]:
    machine = ("data_dir", "path")
    return {n: v for n, v in flat.items() if not n.startswith("run.") and n.rpartition(".")[2] not in machine}
