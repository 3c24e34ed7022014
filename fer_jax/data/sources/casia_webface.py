"""CASIA-WebFace: faces by identity, as the list file of the TDGAN reference or as one folder a person."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fer_jax.core.errors import UsageError
from fer_jax.data import manual
from fer_jax.interop.safe_pickle.files import load_npz

PEOPLE = 10575
LISTS = ("casia_data_example.npz", "casia_data_examples.npz")  # the file's own name, and the one in its README


class CasiaWebface(manual.ManualBuilder):
    """Features: image [H, W, 3] uint8, identity 0.., file. Split: train.

    Option ``identities``: only the first so many people (the reference's ``label < 20``), 0 for all.
    """

    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "CASIA-WebFace: 494,414 pictures of 10,575 people collected from the web."
    CITATION = """@article{yi2014learning,
  title={Learning face representation from scratch},
  author={Yi, Dong and Lei, Zhen and Liao, Shengcai and Li, Stan Z},
  journal={arXiv:1411.7923},
  year={2014}
}"""
    LICENSE_NOTE = "For research only, by agreement with the Institute of Automation, Chinese Academy of Sciences."
    PUBLISHED = {"train": 494414}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "CASIA-WebFace (ask CASIA for it) is needed, either one folder of aligned pictures a person, or the TDGAN "
        "reference's layout: casia_data_example.npz with img_dir_list and img_lab_list, pictures in img/"
    )

    def _features(self) -> dict[str, Any]:
        return {"image": tfds.features.Image(shape=(None, None, 3)), "identity": np.int64}

    def _rows(self) -> dict[str, Iterable[manual.Row]]:
        path, people = self.config.path, self.config.options["identities"] or PEOPLE
        listed = _list_of(path)
        return {"train": _listed_rows(path, listed, people) if listed else _folder_rows(path, people)}

    def _published(self) -> dict[str, int]:
        return {} if self.config.options["identities"] else self.PUBLISHED


def _list_of(path: Path) -> Path | None:
    return next((path / name for name in LISTS if (path / name).is_file()), None)


def _listed_rows(path: Path, listed: Path, people: int) -> Iterator[manual.Row]:
    """The rows of the list whose label is below `people`, in its order."""
    arrays = load_npz(listed, ("img_dir_list", "img_lab_list"))
    names, labels = arrays["img_dir_list"].ravel().tolist(), arrays["img_lab_list"].ravel()
    if len(names) != labels.size:
        raise UsageError(f"{listed}: {len(names)} names in img_dir_list, {labels.size} labels in img_lab_list")
    for row, (name, label) in enumerate(zip(names, labels, strict=True)):
        where = f"{listed}: row {row} ({name})"
        identity = manual.check_label(label, PEOPLE, where)
        if identity >= people:
            continue
        if not isinstance(name, str):
            raise UsageError(f"{where}: the name of a picture is no text")
        yield manual.Row(f"row {row} ({name})", manual.inside(path / "img", name, where), {"identity": identity})


def _folders(path: Path, people: int) -> list[Path]:
    """The first `people` folders with pictures, by name, in `path` or its img folder."""
    root = path / "img" if (path / "img").is_dir() else path
    folders = sorted(item for item in root.iterdir() if item.is_dir() and not item.name.startswith("."))
    return folders[:people]


def _folder_rows(path: Path, people: int) -> Iterator[manual.Row]:
    for identity, folder in enumerate(_folders(path, people)):
        for file in manual.pictures_below(folder):
            yield manual.Row(manual.relative_name(file, path), file, {"identity": identity})


def builder(
    *, data_dir: str | None = None, path: str | None = None, skip_bad: bool = False, identities: int = 20
) -> CasiaWebface:
    """Makes the builder.

    Args:
      data_dir: TFDS folder, where the prepared set is kept; None is TFDS's default.
      path: folder with the files; default ``<data_dir>/downloads/manual/casia_webface``.
      skip_bad: leave pictures that cannot be decoded out instead of stopping.
      identities: keep the first so many people (the reference: 20); 0 keeps all.

    Raises:
      UsageError: there is no such data, or `identities` is out of range.
    """
    if not 0 <= identities <= PEOPLE:
        raise UsageError(f"casia_webface: identities={identities}; give 1..{PEOPLE}, or 0 for all")
    instructions = CasiaWebface.MANUAL_DOWNLOAD_INSTRUCTIONS
    found = manual.locate("casia_webface", data_dir=data_dir, path=path, instructions=instructions)
    if not found.is_dir():
        raise UsageError(f"casia_webface: {found} is no folder: {instructions}")
    listed = _list_of(found)
    if listed:
        rows = _listed_rows(found, listed, identities or PEOPLE)
        roots = [listed, *sorted({row.picture.parent for row in rows if isinstance(row.picture, Path)})]
    else:
        roots = _folders(found, identities or PEOPLE)
    if not roots:
        raise UsageError(f"casia_webface: neither {LISTS[0]} nor folders in {found}: {instructions}")
    options = {"identities": identities}
    return manual.make_builder(
        CasiaWebface, data_dir=data_dir, path=found, roots=roots, skip_bad=skip_bad, options=options
    )
