"""Subject-independent k-fold cross-validation: k runs, one table.

fer-jax cross-validate --config=configs/tdgan.py:tiny --folds=10 --workdir=runs/cv

Fold i is trained in <workdir>/fold_<i> as fer_jax.main would with --config.data.folds=k --config.data.fold=i. Run
again, finished folds are not repeated and the others go on. Any data set with subject labels will do.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags, logging

from fer_jax.cli import common, runs
from fer_jax.core.config import SystemConfig, changed
from fer_jax.core.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Fold:
    """One fold.

    Attributes:
      pictures: of its test set.
      subjects: in its test set.
    """

    number: int
    config: SystemConfig
    folder: Path
    pictures: int
    subjects: frozenset[int]


def open_folds(config: SystemConfig, folds: int, root: Path) -> list[Fold]:
    """The folds of a config's evaluated data set; prepares the data.

    Raises:
      UsageError: fewer than 2 folds, more than subjects, or no subject labels.
    """
    from fer_jax.data.opening import open_data

    if folds < 2:
        raise UsageError(f"--folds: {folds}; at least 2 are needed")
    opened = []
    for number in range(folds):
        own = changed(config, {"data.folds": folds, "data.fold": number})
        test = open_data(own, training=False).tables[own.data.evaluate]["test"]
        subjects = frozenset(test.records.column("identity")[test.rows].tolist())
        opened.append(Fold(number, own, root / f"fold_{number}", len(test), subjects))
    return opened


def cross_validate(config: SystemConfig, folds: int, root: Path) -> dict[str, Any]:
    """Trains what is not finished and returns the table.

    Returns:
      {"folds": [{"fold", "pictures", "subjects", "m_er/accuracy", ...}, ...], "mean": {...}, "std": {...}}; the
      standard deviation is that of a sample (k - 1).

    Raises:
      UsageError: bad data, config or workdir.
      RunFailed: a fold's loss became NaN or infinite.
    """
    rows = []
    for fold in open_folds(config, folds, root):
        figures = runs.trained(fold.config, fold.folder, f"fold {fold.number} of {folds}")
        rows.append({"fold": fold.number, "pictures": fold.pictures, "subjects": len(fold.subjects), **figures})
    mean, std = runs.mean_and_deviation([{n: v for n, v in row.items() if n != "fold"} for row in rows])
    return {"folds": rows, "mean": mean, "std": std}


def lines(table: Mapping[str, Any]) -> list[list[str]]:
    """The table as rows of text: header, folds, mean, std."""
    names = list(table["mean"])

    def cells(title: str, row: Mapping[str, float]) -> list[str]:
        return [title, *(str(row[n]) if isinstance(row[n], int) else f"{row[n]:.4f}" for n in names)]

    rows = [cells(str(row["fold"]), row) for row in table["folds"]]
    return [["fold", *names], *rows, cells("mean", table["mean"]), cells("std", table["std"])]


def define_flags() -> None:
    """The flags."""
    common.define_config()
    flags.DEFINE_integer("folds", 10, "Number of folds.")
    flags.DEFINE_string("workdir", None, "Folder of all folds; default: runs/<config>[-<variant>]-cv.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    config = common.config()
    root = Path(given.workdir) if given.workdir else common.default_workdir("-cv")
    from fer_jax.cli import runtime

    runtime.start()
    import jax

    table = cross_validate(config, given.folds, root)
    if jax.process_index() == 0:
        print(common.aligned(lines(table)))
        logging.info("written: %s", runs.write(root, "cross_validation", table, lines(table)))
