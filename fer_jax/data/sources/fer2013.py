"""FER2013: 48x48 grey faces with seven expressions, from Kaggle's csv or from the same as .npz, with FER+ votes."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from fer_jax.core.errors import UsageError
from fer_jax.data import manual
from fer_jax.interop.safe_pickle.files import load_npz, open_zip

EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}  # in the order of the npz's usage
FERPLUS = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
FERPLUS_EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
TARGETS = ("fer2013", "ferplus")
FILES = ("fer2013.csv", "icml_face_data.csv", "fer2013/fer2013.csv", "fer2013.npz", "fer2013_small.npz")
_VOTES = "fer2013new.csv"
_SIDE = 48


class Fer2013(manual.ManualBuilder):
    """Features: image [48, 48, 1] uint8, expression (Kaggle's order), ferplus [10] votes if there, file ("row 12").

    Splits: train = Training, validation = PublicTest, test = PrivateTest; the latter two the other way round with
    `swap`, as the reference of the FER2013 classifiers names them. Rows are counted from 0 after the header.
    """

    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "FER2013: 35,887 grey faces of 48x48 found by web search, labelled with seven expressions."
    CITATION = """@inproceedings{goodfellow2013challenges,
  title={Challenges in representation learning: A report on three machine learning contests},
  author={Goodfellow, Ian J and others},
  booktitle={ICONIP},
  year={2013}
}
@inproceedings{barsoum2016training,
  title={Training deep networks for facial expression recognition with crowd-sourced label distribution},
  author={Barsoum, Emad and Zhang, Cha and Canton Ferrer, Cristian and Zhang, Zhengyou},
  booktitle={ICMI},
  year={2016}
}"""
    LICENSE_NOTE = "Pictures: published on Kaggle for research, rights with their owners. FER+ votes: MIT, Microsoft."
    HOMEPAGE = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"
    PUBLISHED = {"train": 28709, "validation": 3589, "test": 3589}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "FER2013 is needed: fer2013.csv or icml_face_data.csv from Kaggle (optionally fer2013new.csv, the FER+ votes, "
        "beside it), or fer2013.npz with arrays images, labels and usage"
    )

    @property
    def _classes(self) -> tuple[str, ...]:
        return FERPLUS_EXPRESSIONS if self.config.options["target"] == "ferplus" else EXPRESSIONS

    def _published(self) -> Mapping[str, int]:
        return self.PUBLISHED if self.config.options["target"] == "fer2013" else {}

    def _features(self) -> dict[str, Any]:
        features: dict[str, Any] = {
            "image": tfds.features.Image(shape=(None, None, 1)),
            "expression": tfds.features.ClassLabel(names=self._classes),
        }
        if self.config.options["ferplus"]:
            features["ferplus"] = tfds.features.Tensor(shape=(len(FERPLUS),), dtype=np.int64)
        return features

    def _rows(self) -> dict[str, Iterable[manual.Row]]:
        file, votes = Path(self.config.options["file"]), self.config.options["ferplus"]
        if file.suffix == ".npz":
            by_usage = _npz_rows(file, votes)
        else:
            found = {usage for _, _, _, usage in _csv_rows(file)}
            votes_file = file.parent / _VOTES if votes else None
            by_usage = {usage: _split_rows(file, votes_file, usage) for usage in SPLITS if usage in found}
        names = split_names(swap=self.config.options["swap"])
        logging.info("fer2013: %s", ", ".join(f"{names[usage]} = {usage}" for usage in by_usage))
        if self.config.options["target"] == "ferplus":
            by_usage = {usage: _by_majority(rows) for usage, rows in by_usage.items()}
        return {names[usage]: rows for usage, rows in by_usage.items()}


def split_names(*, swap: bool) -> dict[str, str]:
    """Usage -> split."""
    if not swap:
        return SPLITS
    return {"Training": "train", "PublicTest": "test", "PrivateTest": "validation"}


def _by_majority(rows: Iterable[manual.Row]) -> Iterator[manual.Row]:
    """Rows with the expression that most people voted for, the first of equals.

    Left out are those without votes, and those that most called unknown or no face (Barsoum et al., ICMI 2016).
    """
    for row in rows:
        votes = row.labels["ferplus"]
        winner = int(votes.argmax())
        if not votes.sum():
            yield dataclasses.replace(row, picture=manual.Dropped("FER+ has no votes for it"))
        elif winner >= len(FERPLUS_EXPRESSIONS):
            yield dataclasses.replace(row, picture=manual.Dropped(f"most votes are {FERPLUS[winner]}"))
        else:
            yield dataclasses.replace(row, labels={**row.labels, "expression": winner})


def _csv_rows(file: Path) -> Iterator[tuple[int, str, str, str]]:
    """Yields (row, label, pixels, usage) with a usage that is known."""
    for row, (label, pixels, usage) in manual.read_csv(file, ("emotion", "pixels", "Usage")):
        if usage not in SPLITS:
            raise UsageError(f"{file}: row {row}: Usage {usage[:40]!r} is none of {', '.join(SPLITS)}")
        yield row, label, pixels, usage


def _pixels(text: str) -> np.ndarray | manual.BadPicture:
    """Values [48, 48] uint8 of a row of the csv."""
    try:
        values = np.array([int(value) for value in text.split()], np.int64)
    except (ValueError, OverflowError):
        return manual.BadPicture("its pixels are not all numbers")
    if values.size != _SIDE * _SIDE:
        return manual.BadPicture(f"it has {values.size} pixels, not {_SIDE * _SIDE}")
    if values.min() < 0 or values.max() > 255:
        return manual.BadPicture("it has pixels outside 0..255")
    return values.astype(np.uint8).reshape(_SIDE, _SIDE)


def _votes(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (usage, votes [10]) of the rows of FER+'s csv."""
    for row, (usage, *values) in manual.read_csv(file, ("Usage", *FERPLUS)):
        if not all(value.isdecimal() and len(value) < 4 for value in values):
            raise UsageError(f"{file}: row {row}: votes {values} are not all numbers")
        yield usage, np.array([int(value) for value in values], np.int64)


def _split_rows(file: Path, votes_file: Path | None, wanted: str) -> Iterator[manual.Row]:
    """Rows of one usage, reading the csv (and the votes) line by line."""
    votes = _votes(votes_file) if votes_file else itertools.repeat(None)
    row = -1
    for row, label, pixels, usage in _csv_rows(file):
        vote = next(votes, "end")
        if vote == "end" or (vote is not None and vote[0] != usage):
            raise UsageError(
                f"{votes_file}: row {row} does not belong to row {row} of {file.name}: is it of the same set?"
            )
        expression = manual.check_label(label, len(EXPRESSIONS), f"{file}: row {row}")
        if usage == wanted:
            extra = {} if vote is None else {"ferplus": vote[1]}
            yield manual.Row(f"row {row}", _pixels(pixels), {"expression": expression, **extra})
    if votes_file and next(votes, None) is not None:
        raise UsageError(f"{votes_file}: more rows than the {row + 1} of {file.name}: is it of the same set?")


def _npz_rows(file: Path, votes: bool) -> dict[str, Iterable[manual.Row]]:
    """Rows of the .npz by usage; each array is unpacked once."""
    names = _npz_names(file)
    wanted = ("images", "labels", "usage", *(("ferplus",) if votes else ()), *(("row",) if "row" in names else ()))
    arrays = load_npz(file, wanted)
    images, count = arrays["images"], len(arrays["labels"])
    shapes = {"images": (count, _SIDE, _SIDE), "usage": (count,), "ferplus": (count, len(FERPLUS)), "row": (count,)}
    for name, array in arrays.items():
        if array.shape != shapes.get(name, (count,)) or array.dtype.kind not in "iu":
            raise UsageError(f"{file}: {name} is {array.dtype} {array.shape}, expected {shapes.get(name, (count,))}")
    if images.dtype != np.uint8:
        raise UsageError(f"{file}: images are {images.dtype}, expected uint8")
    numbers = arrays.get("row", np.arange(count))
    for name, limit in (("labels", len(EXPRESSIONS)), ("usage", len(SPLITS))):
        wrong = np.flatnonzero((arrays[name] < 0) | (arrays[name] >= limit))
        if wrong.size:
            manual.check_label(int(arrays[name][wrong[0]]), limit, f"{file}: row {numbers[wrong[0]]} ({name})")

    def rows(usage: int) -> Iterator[manual.Row]:
        for i in np.flatnonzero(arrays["usage"] == usage):
            extra = {"ferplus": arrays["ferplus"][i].astype(np.int64)} if votes else {}
            yield manual.Row(f"row {numbers[i]}", images[i], {"expression": int(arrays["labels"][i]), **extra})

    return {usage: rows(i) for i, usage in enumerate(SPLITS) if (arrays["usage"] == i).any()}


def _npz_names(file: Path) -> list[str]:
    with open_zip(file) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def builder(
    *,
    data_dir: str | None = None,
    path: str | None = None,
    skip_bad: bool = False,
    file: str = "",
    target: str = "fer2013",
    swap: bool = False,
) -> Fer2013:
    """Makes the builder; FER+ votes are read where fer2013new.csv lies beside the csv, or the .npz has ``ferplus``.

    Args:
      data_dir: TFDS folder, where the prepared set is kept; None is TFDS's default.
      path: folder with one of `FILES`, or the file; default ``<data_dir>/downloads/manual/fer2013``.
      skip_bad: leave rows whose pixels are not 2304 values 0..255 out instead of stopping.
      file: name of the file within `path`; default: the first of `FILES` that is there.
      target: which labels "expression" has, one of `TARGETS`: FER2013's own, or FER+'s eight by majority.
      swap: PrivateTest is for validation and PublicTest for test, as in the reference of the FER2013 classifiers.

    Raises:
      UsageError: there is no such data, or the target needs votes that are not there.
    """
    if target not in TARGETS:
        raise UsageError(f"fer2013: target {target!r} is not one of {', '.join(TARGETS)}")
    instructions = Fer2013.MANUAL_DOWNLOAD_INSTRUCTIONS
    found = manual.locate("fer2013", data_dir=data_dir, path=path, instructions=instructions)
    names = (file,) if file else FILES
    source = found if found.is_file() else next((found / name for name in names if (found / name).is_file()), None)
    if source is None or source.suffix not in (".csv", ".npz"):
        raise UsageError(f"fer2013: no {' or '.join(names)} in {found}: {instructions}")
    roots = [source]
    if source.suffix == ".npz":
        ferplus = "ferplus" in _npz_names(source)
    elif ferplus := (source.parent / _VOTES).is_file():
        roots.append(source.parent / _VOTES)
    if target == "ferplus" and not ferplus:
        raise UsageError(f"fer2013: {source} has no FER+ votes; put {_VOTES} beside it, or take target=fer2013")
    options = {"file": str(source), "ferplus": ferplus, "target": target, "swap": swap}
    return manual.make_builder(Fer2013, data_dir=data_dir, path=found, roots=roots, skip_bad=skip_bad, options=options)
