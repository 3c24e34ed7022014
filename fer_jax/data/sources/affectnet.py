"""AffectNet: faces from the web with expression, valence and arousal, in its first release or the later one."""

import functools
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fer_jax.core.errors import UsageError
from fer_jax.data import affect, manual
from fer_jax.data import alignment as align
from fer_jax.interop.safe_pickle.files import load_npy

EXPRESSIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
CONTEMPT = "contempt"
LISTS = {"train": "training.csv", "test": "validation.csv"}  # of the first release
FOLDERS = {"train": "train_set", "test": "val_set"}  # of the later one
RECORD = "AffectNet_annotation"  # the class in the Emotion-GCN reference's file
_FIELDS = (
    "image_path", "face_x", "face_y", "face_width", "face_height", "expression", "valence", "arousal", "left_eye",
    "right_eye",
)  # fmt: skip
_COLUMNS = (
    "subDirectory_filePath", "facial_landmarks", "expression", "valence", "arousal", "face_x", "face_y", "face_width",
    "face_height",
)  # fmt: skip
_LABELS = (*EXPRESSIONS, CONTEMPT, "none", "uncertain", "no face")
_PICTURE_PLACES = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images")
_POINTS = 68  # facial landmarks
_LARGEST = 1 << 26  # pixels of a face box; more is an error of the list


class Affectnet(manual.ManualBuilder):
    """Features: image [H, W, 3] uint8, expression (AffectNet's order), valence, arousal in [-1, 1], file.

    Splits: train, and test = AffectNet's *validation* set, the only published one that is not for training. Choosing
    a checkpoint needs a set of its own, which is cut out of train, so the published one is left for the final figure.

    Pictures whose expression is none of the classes are dropped, and those without valence and arousal; both are
    counted by reason, see `fer_jax.data.manual.dropped`.
    """

    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "AffectNet, annotated by hand: faces found by web search, with expression, valence and arousal."
    CITATION = """@article{mollahosseini2019affectnet,
  title={AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in the Wild},
  author={Mollahosseini, Ali and Hasani, Behzad and Mahoor, Mohammad H},
  journal={IEEE Transactions on Affective Computing},
  year={2019}
}"""
    LICENSE_NOTE = "For non-commercial research only, by agreement with the authors; do not pass the pictures on."
    HOMEPAGE = "http://mohammadmahoor.com/pages/databases/affectnet/"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "AffectNet (ask its authors for it) is needed, either the first release (training.csv, validation.csv and "
        "Manually_Annotated_Images/) or the later one (train_set/ and val_set/, each with images/ and annotations/)"
    )
    SLOW = True

    def _features(self) -> dict[str, Any]:
        return affect.features((*EXPRESSIONS, CONTEMPT)[: self.config.options["classes"]])

    def _rows(self) -> dict[str, Iterator[manual.Row]]:
        path, options = self.config.path, self.config.options
        if options["annotations"]:
            return pickled_rows(_places(path), options)
        if _first_release(path):
            return {split: listed_rows(_places(path), path / name, options) for split, name in LISTS.items()}
        return {split: _numbered_rows(path, path / name, options) for split, name in FOLDERS.items()}

    def _published(self) -> Mapping[str, int]:
        if self.config.options["classes"] == len(EXPRESSIONS):
            return {"train": 283901, "test": 3500}
        first = self.config.options["annotations"] or _first_release(self.config.path)
        return {"train": 287651, "test": 4000 if first else 3999}


def _first_release(path: Path) -> bool:
    return all((path / name).is_file() for name in LISTS.values())


def _places(path: Path) -> list[Path]:
    """Where the first release's pictures are, under the names of its lists."""
    return [path / place for place in _PICTURE_PLACES if (path / place).is_dir()] or [path]


def _labels(values: Iterable[Any], where: str, classes: int) -> tuple[dict[str, Any], manual.Dropped | None]:
    """Labels of a row, and why it is dropped if it is.

    Args:
      values: expression, valence, arousal, as text or number.
      where: what errors call the row.
      classes: those of expressions that are kept.

    Raises:
      UsageError: they are no numbers, or there is no such expression.
    """
    expression, *dimensions = values
    label = manual.check_label(expression, len(_LABELS), where)
    if label >= classes:
        return {}, manual.Dropped(_LABELS[label])
    valence, arousal = (affect.number(value, where) for value in dimensions)
    return {"expression": label, "valence": valence, "arousal": arousal}, affect.unusable(valence, arousal)


# ---- the first release: a list with a face box and landmarks of every picture ---------------------------------------


def face_bytes(file: Path, left: align.Point, right: align.Point, box: align.Box, swap_sides: bool, size: int) -> bytes:
    """The upright face of a picture as PNG, its shorter side resized to `size` pixels (0 = as it is).

    Raises:
      BadPicture: it cannot be decoded, or the face box has nothing of it.
    """
    pixels = np.asarray(manual.decode(file)[1].convert("RGB"))
    cut = align.edges(align.rotation(left, right), box)
    if not 0 < cut.area <= _LARGEST:
        raise manual.BadPicture(f"its face box of {box.width:g} x {box.height:g} pixels is no box")
    if not cut.within(align.upright_size(pixels, swap_sides=swap_sides)).area:
        raise manual.BadPicture("its face box lies outside of the upright picture")
    face = align.face(pixels, left, right, box, swap_sides=swap_sides)
    return manual.png_bytes(align.resize_shorter(face, size) if size else face)


def _numbers(texts: Iterable[Any], count: int, what: str) -> np.ndarray:
    """The numbers (count,) that a row gives; raises BadPicture where it gives anything else."""
    try:
        values = np.array([float(text) for text in texts])
    except (TypeError, ValueError):
        values = np.array([math.nan])
    if values.shape != (count,) or not np.isfinite(values).all():
        raise manual.BadPicture(f"its {what} is not {count} numbers")
    return values


def _face_row(
    places: list[Path],
    name: str,
    where: str,
    eyes: tuple[align.Point, align.Point],
    box: np.ndarray,
    labels: Mapping[str, Any],
    options: Mapping[str, Any],
) -> manual.Row:
    candidates = [manual.inside(place, name, where) for place in places]
    file = next((candidate for candidate in candidates if candidate.is_file()), candidates[0])
    left, right = eyes
    job = functools.partial(
        face_bytes, file, left, right, align.Box(*box.tolist()), options["swap_sides"], options["size"]
    )
    return manual.Row(where, job, labels)


def listed_rows(places: list[Path], file: Path, options: Mapping[str, Any]) -> Iterator[manual.Row]:
    """The rows of a list of the first release, counted from 0 after the header.

    Args:
      places: folders to look for the pictures in.
      file: the list.
      options: of the builder.
    """
    for number, (name, landmarks, *labelled, x, y, width, height) in manual.read_csv(file, _COLUMNS):
        where = f"{file.name} row {number} ({name})"
        labels, dropped = _labels(labelled, f"{file}: row {number} ({name})", options["classes"])
        if dropped:
            yield manual.Row(where, dropped, {})
            continue
        try:
            points = _numbers(landmarks.split(";"), 2 * _POINTS, "list of landmarks")
            box = _numbers([x, y, width, height], 4, "face box")
        except manual.BadPicture as error:
            yield manual.Row(where, error, labels)
            continue
        yield _face_row(places, name, where, align.eyes(points.reshape(_POINTS, 2)), box, labels, options)


def pickled_rows(places: list[Path], options: Mapping[str, Any]) -> dict[str, Iterator[manual.Row]]:
    """The rows of the Emotion-GCN reference's data_affectnet.pkl by split.

    Args:
      places: folders to look for the pictures in.
      options: of the builder; `annotations` is the file.
    """
    file = Path(options["annotations"])
    records = affect.read_records(file, RECORD, _FIELDS)

    def rows(split: str) -> Iterator[manual.Row]:
        for number, record in enumerate(records[split]):
            where = f"{affect.PICKLED[split]} row {number} ({record['image_path']})"
            labelled = (record[field] for field in ("expression", "valence", "arousal"))
            labels, dropped = _labels(labelled, f"{file}: {where}", options["classes"])
            if dropped:
                yield manual.Row(where, dropped, {})
                continue
            try:
                eyes = tuple(_numbers(np.ravel(record[eye]), 2, eye) for eye in ("left_eye", "right_eye"))
                box = _numbers((record[f"face_{part}"] for part in align.Box._fields), 4, "face box")
            except manual.BadPicture as error:
                yield manual.Row(where, error, labels)
                continue
            left, right = ((int(x), int(y)) for x, y in eyes)
            yield _face_row(places, record["image_path"], where, (left, right), box, labels, options)

    return {split: rows(split) for split in records}


# ---- the later release: face crops by number, each with its annotations ---------------------------------------------


def _value(file: Path) -> Any:
    """The one value of a small .npy file, text or number."""
    array = load_npy(file)
    if array.size != 1:
        raise UsageError(f"{file}: expected one value, got shape {array.shape}")
    return array.ravel()[0].item()


def _numbered_rows(path: Path, folder: Path, options: Mapping[str, Any]) -> Iterator[manual.Row]:
    annotations = folder / "annotations"
    names = (re.fullmatch(r"(\d+)_exp\.npy", name) for name in os.listdir(annotations))
    for name in sorted((match[1] for match in names if match), key=lambda name: (len(name), name)):  # 2 before 10
        picture = folder / "images" / f"{name}.jpg"
        where = manual.relative_name(picture, path)
        values = (_value(annotations / f"{name}_{what}.npy") for what in ("exp", "val", "aro"))
        labels, dropped = _labels(values, f"{path}: {where}", options["classes"])
        made = functools.partial(manual.picture_bytes, picture, options["size"])
        yield manual.Row(where, dropped or made, labels)


# ---- the builder ----------------------------------------------------------------------------------------------------


def builder(
    *,
    data_dir: str | None = None,
    path: str | None = None,
    skip_bad: bool = False,
    classes: int = 7,
    size: int = 0,
    swap_sides: bool = False,
    annotations: str = "",
) -> Affectnet:
    """Makes the builder. Where both releases lie in the folder, the first is read.

    Its pictures are turned by the eyes and cut to the face box, as the Emotion-GCN reference does; those of the later
    release are faces already. That pictures came, went or were renamed is noticed; a change within one is not.

    Args:
      data_dir: TFDS folder, where the prepared set is kept; None is TFDS's default.
      path: folder with the files; default ``<data_dir>/downloads/manual/affectnet``.
      skip_bad: leave out pictures that cannot be decoded, or have no usable landmarks or face box, instead of stopping.
      classes: 7, or 8 with contempt.
      size: shorter side of the prepared pictures, 0 = as the faces are. What training uses keeps the set small.
      swap_sides: as the reference, which takes a picture's width for its height, see `fer_jax.data.alignment.face`.
      annotations: the reference's data_affectnet.pkl, read in place of the first release's lists; "" = none.

    Raises:
      UsageError: there is no such data, or an option is out of range.
    """
    if classes not in (len(EXPRESSIONS), len(EXPRESSIONS) + 1) or (annotations and classes != len(EXPRESSIONS)):
        raise UsageError(f"affectnet: classes={classes}; give 7, or 8 with contempt, which `annotations` do not have")
    affect.check_size(size, "affectnet")
    instructions = Affectnet.MANUAL_DOWNLOAD_INSTRUCTIONS
    found = manual.locate("affectnet", data_dir=data_dir, path=path, instructions=instructions)
    roots: list[Path] = []
    folders = _places(found)
    if annotations:
        roots = [affect.place(annotations, "affectnet")]
    elif _first_release(found):
        roots = [found / name for name in LISTS.values()]
    else:
        folders = [found / name / part for name in FOLDERS.values() for part in ("images", "annotations")]
        if not all(folder.is_dir() for folder in folders):
            raise UsageError(f"affectnet: neither release in {found}: {instructions}")
    options = {
        "classes": classes,
        "size": size,
        "swap_sides": swap_sides,
        "annotations": str(roots[0]) if annotations else "",
    }
    # Other files may come to lie beside the pictures' folders.
    below = [below for folder in folders for below in manual.folders_below(folder) if below != found]
    return manual.make_builder(
        Affectnet, data_dir=data_dir, path=found, roots=roots, skip_bad=skip_bad, options=options, folders=below
    )
