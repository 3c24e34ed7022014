"""Subject-independent k-fold cross-validation: k runs, one table.

python -m fer_jax.tools.cross_validate --config=configs/tdgan.py:tiny --folds=10 --workdir=runs/cv

Fold i is trained in <workdir>/fold_<i> as fer_jax.main would with --config.data.folds=k --config.data.fold=i. Run
again, finished folds are not repeated and the others go on. Any data set with subject labels will do.
"""

import csv
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax import workdir
from fer_jax.errors import UsageError
from fer_jax.tools import common

_ABOUT = ("step", "selected_on", "selected_by", "split", "classes")  # of an evaluation file, besides its figures


@dataclasses.dataclass(frozen=True)
class Fold:
    """One fold.

    Attributes:
      pictures: of its test set.
      subjects: in its test set.
    """

    number: int
    config: Any
    folder: Path
    pictures: int
    subjects: frozenset[int]


def open_folds(config: Any, folds: int, root: Path) -> list[Fold]:
    """The folds of a config's evaluated data set; prepares the data.

    Raises:
      UsageError: fewer than 2 folds, more than subjects, or no subject labels.
    """
    from fer_jax.data import open_data

    if folds < 2:
        raise UsageError(f"--folds: {folds}; at least 2 are needed")
    opened = []
    for number in range(folds):
        own = config.copy_and_resolve_references()
        own.data.folds, own.data.fold = folds, number
        test = open_data(own, training=False).tables[own.data.evaluate]["test"]
        subjects = frozenset(test.records.column("identity")[test.rows].tolist())
        opened.append(Fold(number, own, root / f"fold_{number}", len(test), subjects))
    return opened


def result(fold: Fold) -> dict[str, float] | None:
    """A fold's test figures, {"m_er/accuracy": ...}; None if it is not finished.

    Finished means: trained to the end that its config now says, and eval/test.json is the selected checkpoint's.

    Raises:
      UsageError: the folder is another config's, or the file is damaged.
    """
    from fer_jax.eval.metrics import flatten
    from fer_jax.train.checkpoint import FOLDER, Checkpoints

    path = fold.folder / "eval" / "test.json"
    if (fold.folder / workdir.CONFIG).exists():
        workdir.check(fold.folder, fold.config)
    if not (path.exists() and (fold.folder / FOLDER).is_dir() and (fold.folder / workdir.SPEC).exists()):
        return None
    try:
        saved = json.loads(path.read_text())
        figures = flatten({name: value for name, value in saved.items() if name not in _ABOUT})
    except (OSError, AttributeError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); remove it, and the fold is evaluated again") from error
    run, checkpoints = fold.config.run, Checkpoints(fold.folder, read_only=True)
    total = run.steps or run.epochs * workdir.read_spec(fold.folder).steps_per_epoch
    if (checkpoints.latest or 0) < total or saved.get("step") != checkpoints.choose():
        return None
    return figures


def cross_validate(config: Any, folds: int, root: Path) -> dict[str, Any]:
    """Trains what is not finished and returns the table.

    Returns:
      {"folds": [{"fold", "pictures", "subjects", "m_er/accuracy", ...}, ...], "mean": {...}, "std": {...}}; the
      standard deviation is that of a sample (k - 1).

    Raises:
      UsageError: bad data, config or workdir.
      RunFailed: a fold's loss became NaN or infinite.
    """
    from fer_jax.train import loop

    rows = []
    for fold in open_folds(config, folds, root):
        figures = result(fold)
        if figures is None:
            logging.info("fold %d of %d: %s", fold.number, folds, fold.folder)
            loop.train(fold.config, fold.folder)
            figures = result(fold)
        else:
            logging.info("fold %d of %d: finished, in %s", fold.number, folds, fold.folder)
        if figures is None:
            raise UsageError(f"{fold.folder}: trained, but holds no finished run; is another process using it?")
        kept = {name: value for name, value in figures.items() if name.rpartition("/")[2] != "examples"}
        rows.append({"fold": fold.number, "pictures": fold.pictures, "subjects": len(fold.subjects), **kept})
    return summarise(rows)


def summarise(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Adds mean and sample standard deviation of every figure that all folds have."""
    names = [name for name in rows[0] if name != "fold" and all(name in row for row in rows)]
    values = {name: np.array([row[name] for row in rows], float) for name in names}
    return {
        "folds": [dict(row) for row in rows],
        "mean": {name: float(column.mean()) for name, column in values.items()},
        "std": {name: float(column.std(ddof=1)) for name, column in values.items()},
    }


def lines(table: Mapping[str, Any]) -> list[list[str]]:
    """The table as rows of text: header, folds, mean, std."""
    names = list(table["mean"])

    def cells(title: str, row: Mapping[str, float]) -> list[str]:
        return [title, *(str(row[n]) if isinstance(row[n], int) else f"{row[n]:.4f}" for n in names)]

    rows = [cells(str(row["fold"]), row) for row in table["folds"]]
    return [["fold", *names], *rows, cells("mean", table["mean"]), cells("std", table["std"])]


def write(table: Mapping[str, Any], root: Path) -> None:
    """Writes cross_validation.json and .csv.

    Raises:
      UsageError: they cannot be written.
    """
    try:
        (root / "cross_validation.json").write_text(json.dumps(table, indent=2) + "\n")
        with (root / "cross_validation.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(lines(table))
    except OSError as error:
        raise UsageError(f"--workdir {root}: cannot be written: {error.strerror or error}") from error


def define_flags() -> None:
    """The flags."""
    from ml_collections import config_flags

    config_flags.DEFINE_config_file("config", None, "Config file, with its variant after a colon.", lock_config=True)
    flags.DEFINE_integer("folds", 10, "Number of folds.")
    flags.DEFINE_string("workdir", None, "Folder of all folds; default: runs/<config>[-<variant>]-cv.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    if not given["config"].present:
        raise UsageError("--config: missing; e.g. --config=configs/tdgan.py:tiny")
    from fer_jax import runtime

    default = runtime.default_workdir(given["config"].config_filename)  # type: ignore[attr-defined]
    root = Path(given.workdir) if given.workdir else default.with_name(f"{default.name}-cv")
    runtime.start()
    import jax

    table = cross_validate(given.config, given.folds, root)
    if jax.process_index() == 0:
        write(table, root)
        print(common.aligned(lines(table)))
        logging.info("written: %s", root / "cross_validation.json")


if __name__ == "__main__":
    from fer_jax.cli import call

    define_flags()
    call(run, sys.argv)
