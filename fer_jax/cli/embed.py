"""Draws a t-SNE of the features of a classifier or BYOL run, coloured by class.

fer-jax embed --workdir=runs/classifier-tiny --split=test --count=2000
fer-jax embed --workdir=runs/classifier-tiny --of=logits   # as the reference's plots are

scikit-learn's t-SNE with the settings of its version 1.0, which the reference used: two dimensions, perplexity 30,
random start, rate 200. The first `count` pictures of the split are taken, as there. Departure: the reference meant
the pooled features and plotted the logits. Written is plots/tsne_<split>.png, printed each class's var x + var y.
"""

from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.errors import UsageError

_PERPLEXITY = 30


def vectors(loaded: Any, data: Any, split: str, count: int, of: str) -> tuple[np.ndarray, np.ndarray]:
    """(features or logits (N, F), labels (N,)) of the first `count` pictures of a split.

    Raises:
      UsageError: the run's system has no such vectors.
    """
    from fer_jax.evaluation.evaluate import outputs

    found = outputs(loaded.runner, loaded.state, data, split)
    if of not in found:
        raise UsageError(f"--of={of}: a run of {loaded.config.system} has none; it has {', '.join(sorted(found))}")
    return found[of][:count], found["expression"][:count]


def draw(path: Path, places: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], title: str) -> None:
    """A point for each picture, coloured by its class."""
    from matplotlib import colormaps

    from fer_jax.report.plots import new_figure

    figure, (panel,) = new_figure(1, 8, 7)
    for i, name in enumerate(classes):
        own = places[labels == i]
        panel.scatter(own[:, 0], own[:, 1], s=6, color=colormaps["tab10"](i % 10), label=name)
    panel.set(title=title, xticks=[], yticks=[])
    panel.legend(markerscale=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a run of configs/classifier.py or configs/byol.py.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_enum("split", "test", ("train", "validation", "test"), "The split.")
    flags.DEFINE_enum("of", "features", ("features", "logits"), "What is embedded.")
    flags.DEFINE_integer("count", 2000, "Pictures at most, the first ones.", lower_bound=_PERPLEXITY + 1)
    flags.DEFINE_integer("seed", 0, "Seed of the start.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    folder = common.required("workdir", "the folder of a run")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.data.opening import open_data
    from fer_jax.inference.loading import open_run

    loaded = open_run(folder, step=given.step, only=("classifier", "byol"))
    data = open_data(loaded.config, training=False)
    found, labels = vectors(loaded, data, given.split, given.count, given.of)
    if len(found) <= _PERPLEXITY:
        raise UsageError(f"--split={given.split}: has {len(found)} pictures; t-SNE needs more than {_PERPLEXITY}")
    from sklearn.manifold import TSNE

    settings = {"perplexity": _PERPLEXITY, "init": "random", "learning_rate": 200.0, "random_state": given.seed}
    places = TSNE(2, **settings).fit_transform(found.astype(np.float64))
    classes = loaded.spec.classes["expression"]
    spread = [places[labels == i].var(0).sum() if (labels == i).any() else float("nan") for i in range(len(classes))]
    print(
        common.aligned([["class", "var x + var y"], *([n, f"{v:.1f}"] for n, v in zip(classes, spread, strict=True))])
    )
    path = folder / "plots" / f"tsne_{given.split}.png"
    draw(path, places, labels, classes, f"{given.of} of {len(found)} {given.split} pictures, step {loaded.step}")
    logging.info("written: %s", path)
