"""What several commands share: the config flag, names of results, tables of text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags

from fer_jax import systems
from fer_jax.core.config import SystemConfig
from fer_jax.core.errors import UsageError

RESIZES = ("bilinear", "bicubic")


# ---- configs --------------------------------------------------------------------------------------------------------


def define_config() -> None:
    """The flag --config."""
    config_flags.DEFINE_config_file("config", None, "Config file, with its variant after a colon.", lock_config=True)


def config(example: str = "configs/tdgan.py:tiny") -> SystemConfig:
    """The typed config of --config and its overriding flags.

    Raises:
      UsageError: it is missing, or has a value that is refused.
    """
    if not flags.FLAGS["config"].present:
        raise UsageError(f"--config: missing; e.g. --config={example}")
    fields: Any = flags.FLAGS["config"].value
    return systems.parse_config(fields)


def required(name: str, what: str) -> Path:
    """The folder or file of a flag that must be given.

    Raises:
      UsageError: it is missing.
    """
    value = flags.FLAGS[name].value
    if not value:
        raise UsageError(f"--{name}: missing; {what}")
    return Path(str(value))


def default_workdir(ending: str = "") -> Path:
    """The workdir of a --config where none is given: configs/tdgan.py:tiny -> runs/tdgan-tiny, then the ending."""
    path, _, variant = config_flags.get_config_filename(flags.FLAGS["config"]).partition(":")
    return Path("runs") / (Path(path).stem + (f"-{variant}" if variant else "") + ending)


# ---- text -----------------------------------------------------------------------------------------------------------


def names_of(pictures: Sequence[str]) -> list[str]:
    """What results of pictures are called: the file's stem, or test-17; numbered where two are the same."""
    stems = [Path(name).stem if Path(name).exists() else name.replace(":", "-").replace("/", "-") for name in pictures]
    return [stem if stems.count(stem) == 1 else f"{stem}-{i}" for i, stem in enumerate(stems)]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as lines with aligned columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        return "  ".join([f"{row[0]:{widths[0]}}", *(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))])

    return "\n".join(map(line, rows))
