"""What the commands share that make several runs: figures of a finished run, trained where it is not, and one table."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_jax.core.config import SystemConfig
from fer_jax.core.errors import UsageError
from fer_jax.report import record

_ABOUT = ("step", "selected_on", "selected_by", "split", "classes")  # of an evaluation file, besides its figures


def result(config: SystemConfig, folder: Path) -> dict[str, float] | None:
    """A run's test figures, {"m_er/accuracy": ...} without counts of examples; None if it is not finished.

    For each split of `config.select.also` they hold the selection metric of its own best evaluation beside the chosen
    checkpoint's figures, e.g. "best test:expression/accuracy": what is reported where the scored split chose the epoch.

    Finished means: trained to the end that its config now says, and eval/test.json is the selected checkpoint's.

    Raises:
      UsageError: the folder is another config's, or the file is damaged.
    """
    from fer_jax.core.metrics import flatten
    from fer_jax.core.schedules import ended
    from fer_jax.inference.checkpoints import SavedCheckpoints
    from fer_jax.inference.run_folder import CHECKPOINTS, CONFIG, SPEC, check, read_spec

    path = folder / "eval" / "test.json"
    if (folder / CONFIG).exists():
        check(folder, config)
    if not (path.exists() and (folder / CHECKPOINTS).is_dir() and (folder / SPEC).exists()):
        return None
    try:
        saved = json.loads(path.read_text())
        figures = flatten({name: value for name, value in saved.items() if name not in _ABOUT})
    except (OSError, AttributeError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); remove it, and the run is evaluated again") from error
    checkpoints, per_epoch = SavedCheckpoints(folder), read_spec(folder).steps_per_epoch
    if not ended(config, per_epoch, checkpoints.latest or 0, checkpoints.best):
        return None
    if saved.get("step") != checkpoints.choose():
        return None
    for split in config.select.also:
        name = f"{split}:{config.select.metric}"
        if best := record.highest(folder, name):
            figures[f"best {name}"] = best[0]
    return {name: value for name, value in figures.items() if name.rpartition("/")[2] != "examples"}


def trained(config: SystemConfig, folder: Path, title: str) -> dict[str, float]:
    """The test figures of a run, which is trained first where it is not finished.

    Raises:
      UsageError: bad data, config or workdir.
      RunFailed: a loss became NaN or infinite.
    """
    from absl import logging

    from fer_jax.cli.training import train

    figures = result(config, folder)
    if figures is not None:
        logging.info("%s: finished, in %s", title, folder)
        return figures
    logging.info("%s: %s", title, folder)
    train(config, folder)
    if (figures := result(config, folder)) is None:
        raise UsageError(f"{folder}: trained, but holds no finished run; is another process using it?")
    return figures


def mean_and_deviation(rows: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and sample standard deviation (n - 1; 0 of one row) of every figure that all rows have."""
    names = [name for name in rows[0] if all(name in row for row in rows)]
    columns = {name: np.array([row[name] for row in rows], float) for name in names}
    means = {name: float(column.mean()) for name, column in columns.items()}
    return means, {name: float(column.std(ddof=1)) if len(rows) > 1 else 0.0 for name, column in columns.items()}


def write(root: Path, name: str, table: Mapping[str, Any], lines: Sequence[Sequence[str]]) -> Path:
    """Writes a table as <name>.json, and its lines as <name>.csv; returns the former.

    Raises:
      UsageError: they cannot be written.
    """
    path = root / f"{name}.json"
    try:
        path.write_text(json.dumps(table, indent=2) + "\n")
        with path.with_suffix(".csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(lines)
    except OSError as error:
        raise UsageError(f"--workdir {root}: cannot be written: {error.strerror or error}") from error
    return path
