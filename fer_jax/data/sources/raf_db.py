"""RAF-DB, single-label subset: seven basic expressions, in the TDGAN reference's layout or the official one."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fer_jax.core.errors import UsageError
from fer_jax.data import manual
from fer_jax.interop.safe_pickle.files import load_npy, load_npz

EXPRESSIONS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # official labels 1..7
SPLITS = ("train", "test")
LABEL_FILES = (  # the reference's file, the names in its README, and their equivalents without objects
    "RAF_example_label.npy",
    "RAF_example_label.npz",
    "RAF_examples.npz",
    "RAF_data_examples.npz",
)
_LIST = "list_patition_label.txt"  # spelt so by its authors
_LIST_PLACES = ("", "EmoLabel", "basic", "basic/EmoLabel")
_PICTURE_PLACES = ("Image/aligned", "basic/Image/aligned", "aligned", "img")


class RafDb(manual.ManualBuilder):
    """Features: image [100, 100, 3] uint8, expression (RAF-DB's order, 0..6), file. Splits: train, test."""

    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "RAF-DB, single-label subset, aligned: real-world faces with seven basic expressions."
    CITATION = """@inproceedings{li2017reliable,
  title={Reliable crowdsourcing and deep locality-preserving learning for expression recognition in the wild},
  author={Li, Shan and Deng, Weihong and Du, JunPing},
  booktitle={CVPR},
  year={2017}
}"""
    LICENSE_NOTE = "For non-commercial research only, by agreement with the authors; do not pass the pictures on."
    HOMEPAGE = "http://www.whdeld.cn/RAF/model1.html"
    PUBLISHED = {"train": 12271, "test": 3068}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "RAF-DB's basic set (ask its authors for it) is needed, either as it comes (list_patition_label.txt or "
        "EmoLabel/ of it, Image/aligned/train_00001_aligned.jpg ...) or in the TDGAN reference's layout "
        "(RAF_example_label.npy, img/train_00001_aligned.jpg ...)"
    )

    def _features(self) -> dict[str, Any]:
        return {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "expression": tfds.features.ClassLabel(names=EXPRESSIONS),
        }

    def _rows(self) -> dict[str, Iterable[manual.Row]]:
        listed = _list_of(self.config.path)
        rows = _official(self.config.path, listed) if listed else _reference(self.config.path)
        return {split: found for split, found in rows.items() if found}


def _list_of(path: Path) -> Path | None:
    return next((path / place / _LIST for place in _LIST_PLACES if (path / place / _LIST).is_file()), None)


def _official(path: Path, listed: Path) -> dict[str, list[manual.Row]]:
    """Rows of the official list, lines such as ``train_00001.jpg 5``, in its order."""
    places = [path / place for place in _PICTURE_PLACES if (path / place).is_dir()]
    if not places:
        raise UsageError(f"{path}: {_LIST} is there, but no pictures in Image/aligned")
    rows: dict[str, list[manual.Row]] = {split: [] for split in SPLITS}
    for number, line in enumerate(manual.read_lines(listed), 1):
        if not line.strip():
            continue
        where, parts = f"{listed}: line {number}", line.split()
        split = parts[0].split("_")[0]
        if len(parts) != 2 or split not in SPLITS:
            raise UsageError(f"{where}: expected e.g. 'train_00001.jpg 5', got {line[:80]!r}")
        if parts[1] not in [str(i + 1) for i in range(len(EXPRESSIONS))]:
            raise UsageError(f"{where} ({parts[0]}): label {parts[1]} is out of range 1..{len(EXPRESSIONS)}")
        name = parts[0].removesuffix(".jpg").removesuffix("_aligned") + "_aligned.jpg"
        picture = manual.inside(places[0], name, where)
        rows[split].append(manual.Row(f"line {number} ({name})", picture, {"expression": int(parts[1]) - 1}))
    return rows


def _label_file(path: Path) -> Path | None:
    return next((path / name for name in LABEL_FILES if (path / name).is_file()), None)


def _one_hot(file: Path) -> dict[str, np.ndarray]:
    """{"train": [7, N], "test": [7, M]} of a label file (dict within a .npy, or .npz arrays), checked."""
    if file.suffix == ".npy":
        array = load_npy(file)
        content = array.item() if array.dtype == object and array.ndim == 0 else None
    else:
        content = load_npz(file)
    wanted = [f"{split}_y" for split in SPLITS]
    if not isinstance(content, dict) or any(not isinstance(content.get(key), np.ndarray) for key in wanted):
        raise UsageError(f"{file}: expected arrays train_y and test_y of shape [7, N]")
    for key in wanted:
        array = content[key]
        if array.ndim != 2 or array.shape[0] != len(EXPRESSIONS) or array.dtype.kind not in "biuf":
            raise UsageError(f"{file}: {key} has shape {array.shape}, expected [7, N]: classes first")
        wrong = np.flatnonzero(((array != 0) & (array != 1)).any(axis=0) | (array.sum(axis=0) != 1))
        if wrong.size:
            raise UsageError(f"{file}: {key}, column {wrong[0]}: not one-hot, so its label is none of 0..6")
    return {split: content[f"{split}_y"] for split in SPLITS}


def _reference(path: Path) -> dict[str, list[manual.Row]]:
    """Rows of the reference's layout: column i belongs to picture i + 1."""
    file = _label_file(path)
    if file is None:
        raise UsageError(f"raf_db: no labels in {path}: {RafDb.MANUAL_DOWNLOAD_INSTRUCTIONS}")
    rows = {}
    for split, array in _one_hot(file).items():
        digits = 5 if split == "train" else 4
        names = [f"{split}_{i + 1:0{digits}d}_aligned.jpg" for i in range(array.shape[1])]
        rows[split] = [
            manual.Row(f"column {i} ({name})", path / "img" / name, {"expression": int(label)})
            for i, (name, label) in enumerate(zip(names, array.argmax(axis=0), strict=True))
        ]
    return rows


def builder(*, data_dir: str | None = None, path: str | None = None, skip_bad: bool = False) -> RafDb:
    """Makes the builder. Where both layouts lie in the folder, the official one is read.

    Args:
      data_dir: TFDS folder, where the prepared set is kept; None is TFDS's default.
      path: folder with the files; default ``<data_dir>/downloads/manual/raf_db``.
      skip_bad: leave pictures that cannot be decoded out instead of stopping.

    Raises:
      UsageError: there is no such data.
    """
    instructions = RafDb.MANUAL_DOWNLOAD_INSTRUCTIONS
    found = manual.locate("raf_db", data_dir=data_dir, path=path, instructions=instructions)
    labels = _list_of(found) or _label_file(found)
    if labels is None:
        raise UsageError(f"raf_db: no labels in {found}: {instructions}")
    roots = [labels, *[found / place for place in _PICTURE_PLACES if (found / place).is_dir()]]
    return manual.make_builder(RafDb, data_dir=data_dir, path=found, roots=roots, skip_bad=skip_bad)
