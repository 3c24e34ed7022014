"""Correlates classes with valence and arousal in a data set: the matrix that Emotion-GCN's graph is made from.

fer-jax adjacency --config=configs/emotion_gcn.py:affwild2 --out=correlation.json --plot=matrix.png
python -m fer_jax.main --config=configs/emotion_gcn.py:affwild2 --config.graph.correlation=correlation.json

Computes Spearman's correlation of the classes, valence and arousal over the training pictures of the evaluated stream.
Prints it and the links that follow from it: row k is what node k shares out, one half to itself. AffectNet's own
correlations are embedded: nothing needs to be given for them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.labels import VALENCE_AROUSAL


def table(title: str, names: Sequence[str], matrix: np.ndarray) -> str:
    """A square matrix as lines of text, rows and columns named."""
    rows = [[name, *(f"{value:.3f}" for value in row)] for name, row in zip(names, matrix, strict=True)]
    return common.aligned([[title, *names], *rows])


def define_flags() -> None:
    """The flags."""
    common.define_config()
    flags.DEFINE_string("out", None, "JSON file to write, for config.graph.correlation; default: none.")
    flags.DEFINE_string("plot", None, "Picture to draw both matrices into; default: none.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    config = common.config("configs/emotion_gcn.py:tiny")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.data.opening import open_data
    from fer_jax.systems.emotion_gcn import correlation, graph

    classes, matrix = correlation.of_data(open_data(config, training=False))
    if given.out:
        correlation.write(given.out, classes, matrix)
    names = (*classes, *VALENCE_AROUSAL)
    matrices = {"correlation": matrix, "adjacency": graph.adjacency(matrix)}
    print("\n\n".join(table(title, names, values) for title, values in matrices.items()))
    if given.plot:
        from fer_jax.inference.images import write_picture
        from fer_jax.report import plots

        write_picture(plots.heat_maps(matrices, names), Path(given.plot))
    if written := [name for name in (given.out, given.plot) if name]:
        logging.info("written: %s", " and ".join(written))
