"""The training pictures nearest to samples: whether a generator only repeats what it was trained on."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

from fer_jax.data.table import spread
from fer_jax.evaluation.evaluators import ImageEvaluator
from fer_jax.report import images

_CHUNK = 256  # training pictures that are read at once
_SHOWN = 8  # rows of the neighbours' sheet


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

    def update(self, codes: np.ndarray, positions: np.ndarray) -> None:
        """Takes some more training pictures into account: codes (M, F), positions (M,)."""
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
                found[which, name].update(codes, part)
    return found


def encoders_of(evaluator: ImageEvaluator) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """By pixels, and by the features of a recogniser where it has any."""
    encoders: dict[str, Callable[[np.ndarray], np.ndarray]] = {"pixels": lambda x: x.reshape(len(x), -1)}
    if evaluator.has_features:
        encoders[f"{evaluator.name} features"] = evaluator.features
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
    chosen = spread(len(samples), _SHOWN)
    columns = {"sample": samples[chosen]}
    for (which, name), nearest in found.items():
        if which == "samples":
            for place in range(nearest.positions.shape[1]):
                title = f"{place + 1}. by {name.removesuffix(' features')}"
                columns[title] = training(nearest.positions[chosen, place])
    return images.sheet(columns)
