"""How often each class occurs in a config's data: a bar chart and a table, of every split.

python -m fer_jax.cli.labels --config=configs/classifier.py:study --out=labels.png
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from fer_jax.cli import common
from fer_jax.core.errors import UsageError


def define_flags() -> None:
    """The flags."""
    from ml_collections import config_flags

    config_flags.DEFINE_config_file("config", None, "Config file, with its variant after a colon.", lock_config=True)
    flags.DEFINE_string("out", None, "Picture to write; default: the table alone.")


def run() -> None:
    """Does what the parsed flags say."""
    if not flags.FLAGS["config"].present:
        raise UsageError("--config: missing; e.g. --config=configs/classifier.py:study")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.data import open_data

    config: Any = flags.FLAGS["config"].value
    tables = open_data(config).tables[config.data.evaluate]
    names = tables["train"].classes.get("expression", ())
    if not names:
        raise UsageError(f"config.data.streams.{config.data.evaluate}: has no label expression")
    counts = {split: np.bincount(table.labels["expression"], minlength=len(names)) for split, table in tables.items()}
    shares = {split: 100 * count / count.sum() for split, count in counts.items()}
    rows = [[n, *(f"{counts[s][i]} ({shares[s][i]:.1f} %)" for s in counts)] for i, n in enumerate(names)]
    totals = ["all", *(str(count.sum()) for count in counts.values())]
    print(common.aligned([["class", *counts], *rows, totals]))
    if flags.FLAGS.out:
        from fer_jax.report import plots

        series = {f"{split}, {counts[split].sum()} pictures": shares[split].tolist() for split in counts}
        plots.bars(Path(flags.FLAGS.out), "share of the classes", series, names, "%")


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv)
