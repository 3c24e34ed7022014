"""Draws faces from noise with a trained generator, and says whether it only repeats the pictures it was trained on.

python -m fer_jax.cli.generate --workdir=runs/dcgan-tiny --count=64 --out=DIR
python -m fer_jax.cli.generate --workdir=runs/dcgan-conditional --expression=happiness --single

--out gets samples.png, always of the same vectors for one --seed: a grid, or where the generator draws by class and no
--expression is named, a row for each class, with one vector a column; real_and_generated.png, beside as many pictures
of the test split; neighbours.png, samples beside the training pictures that are nearest by pixels and by the features
of a recogniser (the package's own, or the run --judge); and with --single every sample as sample_0000.png.

A table says how far samples lie from their nearest training picture, on average, and how far real pictures do that were
not trained on. A quotient far below 1 means that the generator repeats what it was trained on.
"""

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging
from PIL import Image

from fer_jax.cli import common
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import expression_name

_CHUNK = 256  # training pictures that are read at once
_SHOWN = 8  # rows of the neighbours' sheet


def classes_asked(trained: common.Trained, expression: str, count: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Classes (N,) to be drawn and the names of rows, () where all are of one kind.

    Raises:
      UsageError: no such expression, or the generator cannot be asked for it.
    """
    names = trained.system.classes
    if not expression:
        return np.repeat(np.arange(max(len(names), 1)), -(-count // max(len(names), 1))), names
    if names:
        places = {expression_name(name): i for i, name in enumerate(names)}
        if expression_name(expression) not in places:
            raise UsageError(f"--expression: {expression!r} is not one of {', '.join(names)}")
        return np.full(count, places[expression_name(expression)]), ()
    only = trained.config.data.streams[trained.system.generates].only
    if expression_name(only) != expression_name(expression):
        what = f"of {only} alone" if only else "of all expressions together, and cannot be asked for one"
        raise UsageError(f"--expression: {expression!r} cannot be drawn: {trained.folder} is a run {what}")
    return np.zeros(count, int), ()


# ---- nearest neighbours ---------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Nearest:
    """The training pictures nearest to each of N codes, found while they come by.

    Attributes:
      codes: (N, F).
      positions: (N, k), the nearest first.
      distances: (N, k): root mean square of the differences.
    """

    codes: np.ndarray
    positions: np.ndarray
    distances: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray, count: int) -> "Nearest":
        """The nearest `count` of none so far."""
        shape = (len(codes), count)
        return cls(codes.astype(np.float64), np.full(shape, -1), np.full(shape, np.inf))

    def look_at(self, codes: np.ndarray, positions: np.ndarray) -> None:
        """Some more training pictures (M, F), with their positions (M,)."""
        own, other = self.codes, codes.astype(np.float64)
        squares = (own**2).sum(1)[:, None] + (other**2).sum(1) - 2 * own @ other.T
        apart = np.sqrt(squares.clip(0) / own.shape[1])
        distances = np.concatenate([self.distances, apart], 1)
        found = np.concatenate([self.positions, np.tile(positions, (len(own), 1))], 1)
        order = np.argsort(distances, 1, kind="stable")[:, : self.distances.shape[1]]
        self.distances, self.positions = np.take_along_axis(distances, order, 1), np.take_along_axis(found, order, 1)


def neighbours(
    pictures: Mapping[str, np.ndarray],
    encoders: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    training: Callable[[np.ndarray], np.ndarray],
    positions: np.ndarray,
    count: int,
) -> dict[tuple[str, str], Nearest]:
    """The training pictures nearest to each of several sets of pictures.

    Args:
      pictures: name -> (N, S, S, C) in [0, 1].
      encoders: name -> pictures (M, S, S, C) to codes (M, F), whose differences count.
      training: positions (M,) -> the training pictures there.
      positions: of all training pictures that are looked at.
      count: how many of them for each picture.

    Returns:
      (pictures' name, encoder's name) -> what was found.
    """
    found = {(p, e): Nearest.of(encode(own), count) for p, own in pictures.items() for e, encode in encoders.items()}
    for start in range(0, len(positions), _CHUNK):
        part = positions[start : start + _CHUNK]
        seen = training(part)
        for name, encode in encoders.items():
            codes = encode(seen)
            for which in pictures:
                found[which, name].look_at(codes, part)
    return found


def encoders_of(looker: Any) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """By pixels, and by the features of a recogniser where it has any."""
    encoders: dict[str, Callable[[np.ndarray], np.ndarray]] = {"pixels": lambda x: x.reshape(len(x), -1)}
    if getattr(looker, "has_features", True):
        encoders[f"{looker.name} features"] = looker.features
    return encoders


def table(found: Mapping[tuple[str, str], Nearest]) -> list[list[str]]:
    """Rows of text: how far samples and held-out pictures lie from the nearest training picture, and the quotient."""
    rows = [["nearest training picture, by", "samples", "held-out pictures", "quotient"]]
    for name in dict.fromkeys(encoder for _, encoder in found):
        samples, real = (float(found[which, name].distances[:, 0].mean()) for which in ("samples", "held_out"))
        rows.append([name, f"{samples:.4f}", f"{real:.4f}", f"{samples / real:.3f}" if real > 0 else "-"])
    return rows


def neighbour_sheet(
    samples: np.ndarray, found: Mapping[tuple[str, str], Nearest], training: Callable[[np.ndarray], np.ndarray]
) -> Image.Image:
    """A row for each of some samples: it, and its nearest training pictures."""
    from fer_jax.data.table import spread
    from fer_jax.report import images

    chosen = spread(len(samples), _SHOWN)
    columns = {"sample": samples[chosen]}
    for (which, name), nearest in found.items():
        if which == "samples":
            for place in range(nearest.positions.shape[1]):
                title = f"{place + 1}. by {name.removesuffix(' features')}"
                columns[title] = training(nearest.positions[chosen, place])
    return images.sheet(columns)


# ---- the command ----------------------------------------------------------------------------------------------------


def write_samples(samples: np.ndarray, rows: Sequence[str], out: Path, *, single: bool) -> list[Path]:
    """Writes samples.png, a row for each name where there are any, and with `single` every picture.

    Raises:
      UsageError: they cannot be written.
    """
    from fer_jax.report import images

    path = out / "samples.png"
    if rows:
        columns = np.moveaxis(samples.reshape(len(rows), -1, *samples.shape[1:]), 1, 0)
        image = images.sheet({str(i + 1): column for i, column in enumerate(columns)}, rows=rows)
    else:
        image = images.grid(samples)
    common.write_picture(image, path)
    singles = [out / f"sample_{i:04d}.png" for i in range(len(samples) * single)]
    for one, picture in zip(singles, images.to_bytes(samples), strict=False):
        common.write_picture(Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture), one)
    return [path, *singles[:1]]


def compare_with_data(
    trained: common.Trained, samples: np.ndarray, asked: np.ndarray, looker: Any, out: Path, *, most: int, count: int
) -> list[Path]:
    """Writes real_and_generated.png and neighbours.png, and prints the table.

    Args:
      trained: the run, whose data is opened.
      samples: (N, S, S, C) in [0, 1].
      asked: (N,) their classes, where the generator draws by class.
      looker: the recogniser whose features are used.
      out: folder.
      most: training pictures that are looked at, 0 = all.
      count: neighbours of each sample that are shown.

    Raises:
      UsageError: the data set is missing, or has no picture of the expression.
    """
    from fer_jax.data import open_data
    from fer_jax.data.table import spread
    from fer_jax.report import images

    data, stream = open_data(trained.config), trained.system.generates
    places = {}
    for split, limit in (("train", most), ("test", len(samples))):
        labels = data.tables[stream][split].labels.get("expression")
        total = len(data.tables[stream][split])
        wanted = np.isin(labels, asked) if trained.system.classes else np.ones(total, bool)
        own = np.flatnonzero(wanted)
        if not len(own):
            raise UsageError(f"--expression: the data has no picture of it for {split}; give --neighbours=0")
        places[split] = own[spread(len(own), limit or len(own))]

    def training(positions: np.ndarray) -> np.ndarray:
        return data.at("train", positions)["image"]

    real = data.at("test", places["test"])["image"]
    parts = {f"{len(real)} real ones, not trained on": real, f"{len(samples)} generated": samples}
    sheet = out / "real_and_generated.png"
    common.write_picture(images.beside({title: images.grid(part) for title, part in parts.items()}), sheet)
    pictures = {"samples": samples, "held_out": real}
    count = min(count, len(places["train"]))
    found = neighbours(pictures, encoders_of(looker), training, places["train"], count)
    print(common.aligned(table(found)))
    common.write_picture(neighbour_sheet(samples, found, training), out / "neighbours.png")
    return [sheet, out / "neighbours.png"]


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a run of a system that draws from noise.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_integer("count", 64, "How many samples.", lower_bound=1)
    flags.DEFINE_string("expression", "", "An expression by name; default: all that there are.")
    flags.DEFINE_string("out", None, "Folder to write to; default: <workdir>/samples/generated.")
    flags.DEFINE_integer("seed", 0, "Of the vectors.", lower_bound=0)
    flags.DEFINE_boolean("single", False, "Also write every sample as a picture.")
    flags.DEFINE_integer("neighbours", 4, "Neighbours of each sample; 0 = no comparison, and no data is opened.", 0, 16)
    flags.DEFINE_integer("training_pictures", 20000, "Training pictures that are looked at; 0 = all.", lower_bound=0)
    flags.DEFINE_string("judge", "", "Folder of a run that recognises expressions; default: the package's own.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    if not given.workdir:
        raise UsageError("--workdir: missing; the folder of a run of a system that draws from noise")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.core.protocols import Generator
    from fer_jax.evaluation import recognisers as recogniser
    from fer_jax.evaluation import sampling as generator

    trained = common.open_workdir(Path(given.workdir), step=given.step)
    if not isinstance(trained.system, Generator):
        raise UsageError(
            f"--workdir {trained.folder}: a run of {trained.config.system}, which draws nothing from noise"
        )
    asked, rows = classes_asked(trained, given.expression, given.count)
    source = trained.config.data.streams[trained.system.generates].source
    looker = recogniser.load(given.judge, "--judge", source) if given.neighbours else None
    # Each class for itself, so that all have the same vectors.
    parts = [
        generator.drawn(trained.runner, trained.state, asked[asked == c], seed=given.seed) for c in np.unique(asked)
    ]
    samples = np.concatenate(parts)
    out = Path(given.out) if given.out else trained.folder / "samples" / "generated"
    paths = write_samples(samples, rows, out, single=given.single)
    if looker:
        limits = {"most": given.training_pictures, "count": given.neighbours}
        paths += compare_with_data(trained, samples, asked, looker, out, **limits)
    logging.info("written: %s (checkpoint of step %d)", ", ".join(map(str, paths)), trained.step)


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv)
