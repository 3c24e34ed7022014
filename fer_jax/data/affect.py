"""What the sources with expression, valence and arousal share: features, options, and the reference's pickled lists."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fer_jax.core.errors import UsageError
from fer_jax.data.manual import Dropped
from fer_jax.interop.safe_pickle.files import load_pickle

PICKLED = {"train": "train", "test": "val"}  # our splits, and the reference's


def features(expressions: Sequence[str]) -> dict[str, Any]:
    """Picture, expression, valence and arousal."""
    return {
        "image": tfds.features.Image(shape=(None, None, 3)),
        "expression": tfds.features.ClassLabel(names=expressions),
        "valence": tfds.features.Scalar(np.float32),
        "arousal": tfds.features.Scalar(np.float32),
    }


def number(value: Any, where: str) -> float:
    """The number that a list gives, NaN for empty text. Raises a UsageError that names `where` if it is none."""
    try:
        return float("nan" if value == "" else value)
    except (TypeError, ValueError):
        raise UsageError(f"{where}: {str(value)[:80]!r} is no number; is the file whole?") from None


def unusable(valence: float, arousal: float) -> Dropped | None:
    """Why a row with these values is left out; None where both lie in [-1, 1]."""
    if math.isnan(valence) or math.isnan(arousal):
        return Dropped("without valence or arousal")
    if abs(valence) > 1 or abs(arousal) > 1:  # AffectNet has -2 for none, Aff-Wild2 -5
        return Dropped("with valence or arousal outside of -1..1")
    return None


def check_size(size: int, name: str) -> None:
    """Raises a UsageError that names the data set unless `size` is a side of pictures, or 0."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise UsageError(f"{name}: size={size!r}; give the shorter side in pixels, or 0 for pictures as they are")


def place(given: str, name: str) -> Path:
    """The absolute path that the option ``annotations`` of a data set gives. Raises UsageError if nothing is there."""
    found = Path(given).expanduser()
    if not found.exists():
        raise UsageError(f"{name}: annotations={given!r}: nothing is there; give the right path, or leave it empty")
    return found.resolve()


def read_records(file: Path, kind: str, fields: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The Emotion-GCN reference's pickled annotations by split; nothing in the file is run.

    Args:
      file: holds {"train": [...], "val": [...]}.
      kind: class of the objects in these lists.
      fields: their attributes; the first is the picture's name.

    Raises:
      UsageError: it would run something, it is damaged, or it holds anything else.
    """
    content = load_pickle(file, records={kind: fields})
    for name in PICKLED.values():
        records = content.get(name) if isinstance(content, dict) else None
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise UsageError(f"{file}: expected lists train and val of {kind}; is this the reference's file?")
        wrong = next((i for i, record in enumerate(records) if not isinstance(record.get(fields[0]), str)), None)
        if wrong is not None:
            raise UsageError(f"{file}: {name} row {wrong}: no {fields[0]}; is this the reference's file?")
    return {split: content[name] for split, name in PICKLED.items()}
