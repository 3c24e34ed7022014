"""Which classes go with which valence and arousal in a data set: the matrix that Emotion-GCN's graph is made from.

python -m fer_jax.cli.adjacency --config=configs/emotion_gcn.py:affwild2 --out=correlation.json --plot=matrix.png
python -m fer_jax.cli.adjacency --from=spearman_affectnet.pkl --out=correlation.json
python -m fer_jax.main --config=configs/emotion_gcn.py:affwild2 --config.graph.correlation=correlation.json

Computes Spearman's correlation of the classes, valence and arousal over the training pictures of the evaluated stream,
or reads the reference's own file (a pickled pandas DataFrame; nothing in it is run). Prints it and the links that
follow from it: row k is what node k shares out, one half to itself.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import VALENCE_AROUSAL, expression_name


def of_data(data: Any) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names, and the correlation (K + 2, K + 2) over the training split of opened data (`fer_jax.data.Data`).

    Raises:
      UsageError: the evaluated stream lacks a label, or a value is not finite.
    """
    from fer_jax.systems.emotion_gcn import graph

    stream = data.config.evaluate
    table = data.tables[stream]["train"]
    if missing := [field for field in ("expression", *VALENCE_AROUSAL) if field not in table.labels]:
        raise UsageError(
            f"config.data.streams.{stream}.labels: has no {', '.join(missing)}; needed are expression, valence and "
            "arousal, as in configs/emotion_gcn.py"
        )
    classes = table.classes["expression"]
    va = np.stack([table.labels[field] for field in VALENCE_AROUSAL], -1)
    if not np.isfinite(va).all():
        raise UsageError(
            f"{table.records.name}: {int((~np.isfinite(va)).any(1).sum())} pictures without valence or arousal"
        )
    return classes, graph.correlation(table.labels["expression"], va, len(classes))


def of_file(path: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names, and the correlation (K + 2, K + 2) of the reference's file, valence and arousal put last.

    Raises:
      UsageError: the file cannot be read or is no such matrix.
    """
    from fer_jax.interop.pandas_pickle import load_frame

    frame = load_frame(path)
    names = [expression_name(name) for name in frame.rows]
    if frame.rows != frame.columns or len(set(names)) != len(names) or not np.isfinite(frame.values).all():
        raise UsageError(f"{path}: needed is a matrix of finite numbers whose rows and columns have the same names")
    if missing := [name for name in VALENCE_AROUSAL if name not in names]:
        raise UsageError(f"{path}: has no row for {', '.join(missing)}; it has {', '.join(frame.rows)}")
    classes = [name for name in names if name not in VALENCE_AROUSAL]
    order = [names.index(name) for name in (*classes, *VALENCE_AROUSAL)]
    return tuple(classes), frame.values[np.ix_(order, order)]


def table(title: str, names: Sequence[str], matrix: np.ndarray) -> str:
    """A square matrix as lines of text, rows and columns named."""
    rows = [[name, *(f"{value:.3f}" for value in row)] for name, row in zip(names, matrix, strict=True)]
    return common.aligned([[title, *names], *rows])


def define_flags() -> None:
    """The flags."""
    from ml_collections import config_flags

    config_flags.DEFINE_config_file("config", None, "Config file, with its variant after a colon.", lock_config=True)
    flags.DEFINE_string("from", None, "Instead of a config's data: the reference's pickled matrix.")
    flags.DEFINE_string("out", None, "JSON file to write, for config.graph.correlation; default: none.")
    flags.DEFINE_string("plot", None, "Picture to draw both matrices into; default: none.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    file = given["from"].value
    if given["config"].present == bool(file):
        raise UsageError("--config or --from: needed is one of them; e.g. --config=configs/emotion_gcn.py:tiny")
    from fer_jax.systems.emotion_gcn import correlation, graph

    if file:
        from fer_jax.report import console

        console.setup()
        classes, matrix = of_file(file)
    else:
        from fer_jax.cli import runtime

        runtime.start()
        from fer_jax.data import open_data

        classes, matrix = of_data(open_data(given.config, training=False))
    if given.out:
        correlation.write(given.out, classes, matrix)
    names = (*classes, *VALENCE_AROUSAL)
    matrices = {"correlation": matrix, "adjacency": graph.adjacency(matrix)}
    print("\n\n".join(table(title, names, values) for title, values in matrices.items()))
    if given.plot:
        from fer_jax.report import plots

        common.write_picture(plots.heat_maps(matrices, names), Path(given.plot))
    if written := [name for name in (given.out, given.plot) if name]:
        logging.info("written: %s", " and ".join(written))


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv)
