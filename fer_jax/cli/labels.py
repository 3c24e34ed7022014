"""Counts the classes of a config's data: a table, and a bar chart, of every split.

fer-jax labels --config=configs/classifier.py:study --out=labels.png
"""

from pathlib import Path

import numpy as np
from absl import flags

from fer_jax.cli import common
from fer_jax.core.errors import UsageError


def define_flags() -> None:
    """The flags."""
    common.define_config()
    flags.DEFINE_string("out", None, "Picture to write; default: the table alone.")


def run() -> None:
    """Does what the parsed flags say."""
    config = common.config("configs/classifier.py:study")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.data.opening import open_data

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
