"""Aff-Wild2: frames of videos with expression, valence and arousal, filtered as the Emotion-GCN reference does."""

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fer_jax.core.errors import UsageError
from fer_jax.data import affect, manual

EXPRESSIONS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
SPLITS = {"train": "Train_Set", "test": "Validation_Set"}
RECORD = "Affwild2_annotation"  # the class in the Emotion-GCN reference's file
_FIELDS = ("frame_path", "expression", "valence", "arousal")
_SETS = ("EXPR_Set", "VA_Set")
_UNLABELLED = "-1"


class Affwild2(manual.ManualBuilder):
    """Features: image [H, W, 3] uint8, expression (Aff-Wild2's order), valence, arousal in [-1, 1], identity, file.

    Identity is the number of the video, by name; what is cut out of train for validation is whole videos. Splits:
    train, and test = Aff-Wild2's *Validation_Set*; the labels of its test set are not published.

    A frame counts if it has all labels and is there; which split it is in, its expression's list says. What is left
    out is counted by reason, see `fer_jax.data.manual.dropped`.
    """

    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "Aff-Wild2: cropped frames of videos from the web, with expression, valence and arousal."
    CITATION = """@inproceedings{kollias2019expression,
  title={Expression, Affect, Action Unit Recognition: Aff-Wild2, Multi-Task Learning and ArcFace},
  author={Kollias, Dimitrios and Zafeiriou, Stefanos},
  booktitle={BMVC},
  year={2019}
}"""
    LICENSE_NOTE = "For non-commercial research only, by agreement with the authors; do not pass the pictures on."
    HOMEPAGE = "https://ibug.doc.ic.ac.uk/resources/aff-wild2/"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Aff-Wild2 (ask its authors for it) is needed: the cropped frames (<video>/00001.jpg ..., or these in "
        "cropped_aligned/) and, there or in annotations/, EXPR_Set/ and VA_Set/, each with Train_Set/ and "
        "Validation_Set/ of <video>.txt"
    )
    SLOW = True

    def _features(self) -> dict[str, Any]:
        return {**affect.features(EXPRESSIONS), "identity": np.int64}

    def _rows(self) -> dict[str, Iterator[manual.Row]]:
        frames, annotations = _frames_of(self.config.path), Path(self.config.options["annotations"])
        rows = pickled_rows if annotations.is_file() else listed_rows
        return rows(frames, annotations, self.config.options["size"])


def _frames_of(path: Path) -> Path:
    return path / "cropped_aligned" if (path / "cropped_aligned").is_dir() else path


def _row(frames: Path, name: str, size: int, labels: Mapping[str, Any]) -> manual.Row:
    file = manual.inside(frames, name, name)
    return manual.Row(name, functools.partial(manual.picture_bytes, file, size), labels)


def listed_rows(frames: Path, annotations: Path, size: int) -> dict[str, Iterator[manual.Row]]:
    """The rows by split, a video at a time.

    Args:
      frames: folder of the videos' folders.
      annotations: folder with EXPR_Set and VA_Set.
      size: shorter side of the pictures, 0 = as they are.
    """
    lists = {split: sorted((annotations / _SETS[0] / name).glob("*.txt")) for split, name in SPLITS.items()}
    numbers = _numbered(file.stem for files in lists.values() for file in files)

    def rows(split: str) -> Iterator[manual.Row]:
        for file in lists[split]:
            # Where both have the video, the validation list counts, as in the reference.
            valued = [annotations / _SETS[1] / name / file.name for name in reversed(SPLITS.values())]
            found = next((candidate for candidate in valued if candidate.is_file()), None)
            for frame, labels in _video(frames / file.stem, file, found):
                if isinstance(labels, manual.Dropped):
                    yield manual.Row(frame, labels, {})
                else:
                    yield _row(frames, f"{file.stem}/{frame}", size, {**labels, "identity": numbers[file.stem]})

    return {split: rows(split) for split, files in lists.items() if files}


def _numbered(videos: Iterable[str]) -> dict[str, int]:
    return {video: number for number, video in enumerate(sorted(set(videos)))}


def _video(folder: Path, expressions: Path, va: Path | None) -> Iterator[tuple[str, dict[str, Any] | manual.Dropped]]:
    """Frame and labels of a video's frames and of the lines of its list, or why they are dropped."""
    labels, values = _expressions(expressions), _valence_arousal(va) if va else []
    names = os.listdir(folder) if folder.is_dir() else []
    present = {int(name[:-4]) for name in names if re.fullmatch(r"\d{5,}\.jpg", name)}
    if not present:
        yield folder.name, manual.Dropped("videos without frames")
        return
    for frame in sorted(present.union(range(1, len(labels) + 1))):
        name = f"{frame:05d}.jpg"
        if frame not in present:
            yield name, manual.Dropped("lines without a frame")
        elif not 1 <= frame <= len(labels):
            yield name, manual.Dropped("frames beyond the expressions")
        elif labels[frame - 1] < 0:
            yield name, manual.Dropped("without expression")
        elif va is None:
            yield name, manual.Dropped("of videos without valence and arousal")
        elif frame > len(values):
            yield name, manual.Dropped("frames beyond valence and arousal")
        elif dropped := affect.unusable(*values[frame - 1]):
            yield name, dropped
        else:
            valence, arousal = values[frame - 1]
            yield name, {"expression": labels[frame - 1], "valence": valence, "arousal": arousal}


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    """Yields (where, line) of a list after its header; empty lines at its end do not count."""
    lines = manual.read_lines(file)
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines[1:], 2):
        yield f"{file}: line {number}", line.strip()


def _expressions(file: Path) -> list[int]:
    """Class of every frame, -1 where it has none."""
    count = len(EXPRESSIONS)
    return [-1 if line == _UNLABELLED else manual.check_label(line, count, where) for where, line in _lines(file)]


def _valence_arousal(file: Path) -> list[tuple[float, float]]:
    """Valence and arousal of every frame, as the file has them."""
    values = []
    for where, line in _lines(file):
        parts = line.split(",")
        if len(parts) != 2:
            raise UsageError(f"{where}: expected e.g. '0.1,-0.25', got {line[:80]!r}")
        values.append((affect.number(parts[0], where), affect.number(parts[1], where)))
    return values


def pickled_rows(frames: Path, file: Path, size: int) -> dict[str, Iterator[manual.Row]]:
    """The rows of the Emotion-GCN reference's data_affwild2.pkl by split.

    Args:
      frames: folder of the videos' folders; of the names in the file, video and frame count.
      file: the pickle.
      size: shorter side of the pictures, 0 = as they are.
    """
    records = affect.read_records(file, RECORD, _FIELDS)
    names = {split: ["/".join(one["frame_path"].split("/")[-2:]) for one in ones] for split, ones in records.items()}
    numbers = _numbered(name.split("/")[0] for listed in names.values() for name in listed)

    def rows(split: str) -> Iterator[manual.Row]:
        for number, (name, record) in enumerate(zip(names[split], records[split], strict=True)):
            where = f"{file}: {affect.PICKLED[split]} row {number} ({name})"
            expression = manual.check_label(record["expression"], len(EXPRESSIONS), where)
            valence, arousal = (affect.number(record[field], where) for field in ("valence", "arousal"))
            if dropped := affect.unusable(valence, arousal):
                yield manual.Row(name, dropped, {})
                continue
            identity = numbers[name.split("/")[0]]
            labels = {"expression": expression, "valence": valence, "arousal": arousal, "identity": identity}
            yield _row(frames, name, size, labels)

    return {split: rows(split) for split in records}


def builder(
    *,
    data_dir: str | None = None,
    path: str | None = None,
    skip_bad: bool = False,
    annotations: str = "",
    size: int = 0,
) -> Affwild2:
    """Makes the builder. That frames came, went or were renamed is noticed; a change within one is not.

    Args:
      data_dir: TFDS folder, where the prepared set is kept; None is TFDS's default.
      path: folder with the files; default ``<data_dir>/downloads/manual/affwild2``.
      skip_bad: leave frames that cannot be decoded out instead of stopping.
      annotations: folder with EXPR_Set and VA_Set, or the Emotion-GCN reference's data_affwild2.pkl; "" = `path`, or
        annotations/ in it.
      size: shorter side of the prepared pictures, 0 = as the frames are, 112.

    Raises:
      UsageError: there is no such data, or `size` is out of range.
    """
    affect.check_size(size, "affwild2")
    instructions = Affwild2.MANUAL_DOWNLOAD_INSTRUCTIONS
    found = manual.locate("affwild2", data_dir=data_dir, path=path, instructions=instructions)
    if annotations:
        listed = affect.place(annotations, "affwild2")
    else:
        listed = found if (found / _SETS[0]).is_dir() else found / "annotations"
    roots = [listed] if listed.is_file() else [listed / name for name in _SETS]
    if missing := [root for root in roots if not root.exists()]:
        raise UsageError(f"affwild2: no {missing[0]}: {instructions}")
    frames = _frames_of(found)
    return manual.make_builder(
        Affwild2,
        data_dir=data_dir,
        path=found,
        roots=roots,
        skip_bad=skip_bad,
        options={"annotations": str(listed), "size": size},
        folders=sorted(item for item in frames.iterdir() if item.is_dir() and item not in (listed, *roots)),
    )
