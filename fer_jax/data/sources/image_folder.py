"""Any pictures in folders, ``path/<split>/<class>/*`` or ``path/<class>/*``; classes are expressions or people."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fer_jax.core.errors import UsageError
from fer_jax.core.labels import expression_name
from fer_jax.data import manual

SPLITS = {"train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation"}
SPLITS |= {"test": "test", "testing": "test"}


class ImageFolderSource(manual.ManualBuilder):
    """Features: image [H, W, 3] uint8, expression or identity by the class folder, file.

    Options: ``label`` "expression" or "identity"; ``subject_pattern``, whose group is the subject in the file's name
    (feature identity beside expression). Splits: the folders train, val(idation), test; else all is train.
    """

    name = "image_folder"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "Pictures in one folder a class."
    CITATION = "Cite the origin of your pictures."
    LICENSE_NOTE = "The terms of your pictures."
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "a folder is needed with one folder a class, e.g. happiness/1.jpg, or train/happiness/1.jpg; png, jpg, jpeg, "
        "bmp, pgm and webp are read"
    )

    def _features(self) -> dict[str, Any]:
        features: dict[str, Any] = {"image": tfds.features.Image(shape=(None, None, 3))}
        if self.config.options["label"] == "expression":
            features["expression"] = tfds.features.ClassLabel(names=self.config.options["classes"])
        if self.config.options["label"] == "identity" or self.config.options["subject_pattern"]:
            features["identity"] = np.int64
        return features

    def _rows(self) -> dict[str, Iterable[manual.Row]]:
        options, path = self.config.options, self.config.path
        label, pattern = options["label"], options["subject_pattern"]
        found = _pictures(path)
        files = [file for classes in found.values() for pictures in classes.values() for file in pictures]
        subjects = _subjects(files, pattern, path) if pattern else {}
        rows: dict[str, list[manual.Row]] = {}
        for split, classes in found.items():
            for name, pictures in classes.items():
                index = options["classes"].index(class_name(name, label))
                for file in pictures:
                    extra = {"identity": subjects[file]} if pattern else {}
                    row = manual.Row(manual.relative_name(file, path), file, {label: index, **extra})
                    rows.setdefault(split, []).append(row)
        return dict(rows)


def class_name(folder: str, label: str) -> str:
    """The class of a folder: for expressions the standard name of a common synonym, else the folder's own name."""
    return expression_name(folder) if label == "expression" else folder


def _subfolders(path: Path) -> list[Path]:
    """The folders in `path` by name; a UsageError names a picture that lies beside them, i.e. without a class."""
    items = sorted(item for item in path.iterdir() if not item.name.startswith("."))
    loose = [item for item in items if item.is_file() and item.suffix.lower() in manual.SUFFIXES]
    if loose:
        raise UsageError(f"{loose[0]}: a picture outside of any class folder; put it into one, e.g. {path}/neutral")
    return [item for item in items if item.is_dir()]


def _pictures(path: Path) -> dict[str, dict[str, list[Path]]]:
    """{split: {class folder: pictures}}; the top folders are splits if all of them have a split's name."""
    top = _subfolders(path)
    split_of = {folder: SPLITS.get(folder.name.lower()) for folder in top}
    if not top or None in split_of.values():
        return {"train": {folder.name: manual.pictures_below(folder) for folder in top}}
    found: dict[str, dict[str, list[Path]]] = {}
    for folder, split in split_of.items():
        for inner in _subfolders(folder):
            found.setdefault(split or "", {}).setdefault(inner.name, []).extend(manual.pictures_below(inner))
    order = dict.fromkeys(SPLITS.values())
    return {split: found[split] for split in order if split in found}


def _subjects(files: Iterable[Path], pattern: str, path: Path) -> dict[Path, int]:
    """{file: index of its subject among the sorted subjects}; every file name must have one."""
    expression, names = re.compile(pattern), {}
    for file in files:
        match = expression.search(file.name)
        if match is None or match[1] is None:
            name = manual.relative_name(file, path)
            raise UsageError(f"{path}: {name}: no subject in its name by subject_pattern {pattern!r}")
        names[file] = match[1]
    index = {name: i for i, name in enumerate(sorted(set(names.values())))}
    return {file: index[name] for file, name in names.items()}


def _check_options(label: str, pattern: str) -> None:
    if label not in ("expression", "identity"):
        raise UsageError(f"image_folder: label={label!r}; give 'expression' or 'identity'")
    if pattern and label == "identity":
        raise UsageError("image_folder: with label='identity' the folders are the people; leave subject_pattern empty")
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise UsageError(f"image_folder: subject_pattern {pattern!r} is no regular expression: {error}") from None
    if pattern and groups != 1:
        raise UsageError(f"image_folder: subject_pattern {pattern!r} has {groups} groups; give one, the subject")


def builder(
    *,
    data_dir: str | None = None,
    path: str | None = None,
    skip_bad: bool = False,
    label: str = "expression",
    subject_pattern: str = "",
) -> ImageFolderSource:
    """Makes the builder.

    Args:
      data_dir: TFDS folder, where the prepared set is kept; None is TFDS's default.
      path: the folder; default ``<data_dir>/downloads/manual/image_folder``.
      skip_bad: leave pictures that cannot be decoded out instead of stopping.
      label: what the class folders are, "expression" or "identity"; indices by sorted (standard) name.
      subject_pattern: regular expression with one group, searched in the file's name; the group is the subject.

    Raises:
      UsageError: there is no such data, or an option is wrong.
    """
    _check_options(label, subject_pattern)
    instructions = ImageFolderSource.MANUAL_DOWNLOAD_INSTRUCTIONS
    found = manual.locate("image_folder", data_dir=data_dir, path=path, instructions=instructions)
    if not found.is_dir():
        raise UsageError(f"image_folder: {found} is no folder: {instructions}")
    folders = {name for classes in _pictures(found).values() for name, pictures in classes.items() if pictures}
    if not folders:
        raise UsageError(f"image_folder: no pictures in folders of {found}: {instructions}")
    classes = sorted({class_name(name, label) for name in folders})
    options = {"label": label, "subject_pattern": subject_pattern, "classes": classes}
    return manual.make_builder(
        ImageFolderSource, data_dir=data_dir, path=found, roots=[found], skip_bad=skip_bad, options=options
    )
