"""Draws faces from noise with a trained generator, and measures whether it only repeats its training pictures.

fer-jax generate --workdir=runs/dcgan-tiny --count=64 --out=DIR
fer-jax generate --workdir=runs/dcgan-conditional --expression=happiness --single

--out gets samples.png, always of the same vectors for one --seed: a grid, or where the generator draws by class and no
--expression is named, a row for each class, with one vector a column; real_and_generated.png, beside as many pictures
of the test split; neighbours.png, samples beside the training pictures that are nearest by pixels and by the features
of a recogniser (the package's own, or the run --evaluator); and with --single every sample as sample_0000.png.

A table has how far samples lie from their nearest training picture, on average, and how far real pictures do that were
not trained on. A quotient far below 1 means that the generator repeats what it was trained on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.errors import UsageError


def classes_to_draw(sampler: Any, expression: str | None, count: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Classes (N,) to be drawn and the names of rows, () where all are of one kind.

    Raises:
      UsageError: no such expression, or the generator cannot be asked for it.
    """
    if expression is None and sampler.classes:
        kinds = len(sampler.classes)
        return np.repeat(np.arange(kinds), -(-count // kinds)), sampler.classes
    return sampler.labels(count, expression), ()


def write_samples(samples: np.ndarray, rows: Sequence[str], out: Path, *, single: bool) -> list[Path]:
    """Writes samples.png, a row for each name where there are any, and with `single` every picture.

    Raises:
      UsageError: they cannot be written.
    """
    from fer_jax.inference.images import to_picture, write_picture
    from fer_jax.report import images

    path = out / "samples.png"
    if rows:
        columns = np.moveaxis(samples.reshape(len(rows), -1, *samples.shape[1:]), 1, 0)
        image = images.sheet({str(i + 1): column for i, column in enumerate(columns)}, rows=rows)
    else:
        image = images.grid(samples)
    write_picture(image, path)
    singles = [out / f"sample_{i:04d}.png" for i in range(len(samples) * single)]
    for one, picture in zip(singles, samples, strict=False):
        write_picture(to_picture(picture), one)
    return [path, *singles[:1]]


def compare_with_data(
    sampler: Any, samples: np.ndarray, labels: np.ndarray, evaluator: Any, out: Path, *, most: int | None, count: int
) -> list[Path]:
    """Writes real_and_generated.png and neighbours.png, and prints the table.

    Args:
      sampler: the generator, whose data is opened.
      samples: (N, S, S, C) in [0, 1].
      labels: (N,) their classes, where the generator draws by class.
      evaluator: the recogniser whose features are used.
      out: folder.
      most: training pictures that are compared with; None: all.
      count: neighbours of each sample that are shown.

    Raises:
      UsageError: the data set is missing, or has no picture of the expression.
    """
    from fer_jax.data.opening import open_data
    from fer_jax.data.table import spread
    from fer_jax.evaluation import neighbours
    from fer_jax.inference.images import write_picture
    from fer_jax.report import images

    data, stream = open_data(sampler.run.config), sampler.run.system.sampling_stream
    places = {}
    for split, limit in (("train", most), ("test", len(samples))):
        column = data.tables[stream][split].labels.get("expression")
        total = len(data.tables[stream][split])
        wanted = np.isin(column, labels) if sampler.classes and column is not None else np.ones(total, bool)
        own = np.flatnonzero(wanted)
        if not len(own):
            raise UsageError(f"--expression: the data has no picture of it for {split}; give --neighbours=0")
        places[split] = own[spread(len(own), limit or len(own))]

    def training(positions: np.ndarray) -> np.ndarray:
        return data.at("train", positions)["image"]

    real = data.at("test", places["test"])["image"]
    parts = {f"{len(real)} real ones, not trained on": real, f"{len(samples)} generated": samples}
    sheet = out / "real_and_generated.png"
    write_picture(images.beside({title: images.grid(part) for title, part in parts.items()}), sheet)
    pictures = {"samples": samples, "held_out": real}
    count = min(count, len(places["train"]))
    encoders = neighbours.encoders_of(evaluator)
    found = neighbours.neighbours(pictures, encoders, training, places["train"], count)
    print(common.aligned(neighbours.table(found)))
    write_picture(neighbours.neighbour_sheet(samples, found, training), out / "neighbours.png")
    return [sheet, out / "neighbours.png"]


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a run of a system that draws from noise.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_integer("count", 64, "Number of samples.", lower_bound=1)
    flags.DEFINE_string("expression", None, "An expression by name; default: all that there are.")
    flags.DEFINE_string("out", None, "Folder to write to; default: <workdir>/samples/generated.")
    flags.DEFINE_integer("seed", 0, "Seed of the vectors.", lower_bound=0)
    flags.DEFINE_boolean("single", False, "Also write every sample as a picture.")
    flags.DEFINE_integer("neighbours", 4, "Neighbours of each sample; 0: no comparison, and no data is opened.", 0, 16)
    flags.DEFINE_integer("training_pictures", 20000, "Training pictures that are compared with.", lower_bound=1)
    flags.DEFINE_string("evaluator", None, "Folder of a run that recognises expressions; default: the package's own.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    folder = common.required("workdir", "the folder of a run of a system that draws from noise")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.evaluation import evaluators
    from fer_jax.inference.loading import open_run
    from fer_jax.inference.sampler import Sampler, draw

    loaded = open_run(folder, step=given.step)
    sampler = Sampler(loaded)
    labels, rows = classes_to_draw(sampler, given.expression, given.count)
    source = loaded.config.data.streams[loaded.system.sampling_stream].source
    evaluator = evaluators.load(given.evaluator, "--evaluator", source) if given.neighbours else None
    # Each class for itself, so that all have the same vectors.
    parts = [draw(loaded.runner, loaded.state, labels[labels == c], seed=given.seed) for c in np.unique(labels)]
    samples = np.concatenate(parts)
    out = Path(given.out) if given.out else folder / "samples" / "generated"
    paths = write_samples(samples, rows, out, single=given.single)
    if evaluator:
        limits = {"most": given.training_pictures, "count": given.neighbours}
        paths += compare_with_data(sampler, samples, labels, evaluator, out, **limits)
    logging.info("written: %s (checkpoint of step %d)", ", ".join(map(str, paths)), loaded.step)
