"""The folder that GANmut's reference trains on: training.csv, a list of pictures with AffectNet's labels, and these."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from fer_jax.core.errors import UsageError
from fer_jax.data import manual
from fer_jax.data.sources.affectnet import CONTEMPT, EXPRESSIONS

LIST = "training.csv"
_LABELS = (*EXPRESSIONS, CONTEMPT, "none", "uncertain", "no face")
_MOST = len(EXPRESSIONS) + 1  # with contempt
_COLUMNS = ("subDirectory_filePath", "expression")


class GanmutCsv(manual.ManualBuilder):
    """Features: image [H, W, 3] uint8, expression (AffectNet's order), file. Split: train.

    Rows whose expression is none of the classes are dropped and counted.
    """

    name = "ganmut_csv"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "Faces in a folder and their expressions in a list, as GANmut's reference takes them."
    CITATION = "Cite the origin of your pictures."
    LICENSE_NOTE = "The terms of your pictures."
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "a folder is needed with training.csv, whose header is subDirectory_filePath,expression and whose rows are "
        "such as imgs/1.jpg,0, and with the pictures in imgs/ (or the folder that the option `folder` names)"
    )

    def _features(self) -> dict[str, Any]:
        return {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "expression": tfds.features.ClassLabel(names=_LABELS[: self.config.options["classes"]]),
        }

    def _rows(self) -> dict[str, Iterable[manual.Row]]:
        options = self.config.options
        return {"train": _listed(self.config.path, options["folder"], options["classes"])}


def picture_path(root: Path, folder: str, name: str, where: str) -> Path:
    """Where a picture of the list lies: in `folder`, under its listed name without the first part.

    Departure: the reference takes the second part alone, so that it finds no picture in a folder of its own.

    Raises:
      UsageError: the name has one part only, or leads out of the folder.
    """
    _, _, rest = name.replace("\\", "/").partition("/")
    if not rest:
        raise UsageError(f"{where}: the picture name {name!r} has no folder before it, such as imgs/1.jpg has")
    return manual.inside(root / folder, rest, where)


def _listed(path: Path, folder: str, classes: int) -> Iterator[manual.Row]:
    file = path / LIST
    for number, (name, label) in manual.read_csv(file, _COLUMNS):
        where = f"{LIST} row {number} ({name})"
        picture = picture_path(path, folder, name, f"{file}: row {number}")
        value = manual.check_label(label, len(_LABELS), f"{file}: row {number} ({name})")
        if value >= classes:
            yield manual.Row(where, manual.Dropped(_LABELS[value]), {})
        else:
            yield manual.Row(where, picture, {"expression": value})


def builder(
    *,
    data_dir: str | None = None,
    path: str | None = None,
    skip_bad: bool = False,
    folder: str = "imgs",
    classes: int = 7,
) -> GanmutCsv:
    """Makes the builder.

    Args:
      data_dir: TFDS folder, where the prepared set is kept; None is TFDS's default.
      path: folder with the files; default ``<data_dir>/downloads/manual/ganmut_csv``.
      skip_bad: leave pictures that cannot be decoded out instead of stopping.
      folder: with the pictures, in `path`; the first part of a listed name is taken off.
      classes: 2 to 8, the first so many of AffectNet's; the published models have 7.

    Raises:
      UsageError: there is no such data, or an option is wrong.
    """
    if isinstance(classes, bool) or not isinstance(classes, int) or not 2 <= classes <= _MOST:
        raise UsageError(f"ganmut_csv: classes={classes!r}; give 2 to {_MOST}")
    instructions = GanmutCsv.MANUAL_DOWNLOAD_INSTRUCTIONS
    found = manual.locate("ganmut_csv", data_dir=data_dir, path=path, instructions=instructions)
    pictures = manual.inside(found, folder, "ganmut_csv: folder")
    for needed in (found / LIST, pictures):
        if not needed.exists():
            raise UsageError(f"ganmut_csv: no {needed.name} in {found}: {instructions}")
    return manual.make_builder(
        GanmutCsv,
        data_dir=data_dir,
        path=found,
        roots=[found / LIST, pictures],
        skip_bad=skip_bad,
        options={"folder": folder, "classes": classes},
    )
