"""ORL / AT&T faces: 40 people, 10 grey pictures each of 92x112. Identity only."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fer_jax.core.errors import UsageError
from fer_jax.data import manual
from fer_jax.interop.safe_pickle.files import load_npz

PEOPLE = 40
_NPZ = "att_faces.npz"


class AttFaces(manual.ManualBuilder):
    """Features: image [112, 92, 1] uint8, identity 0..39 (folder s1 is 0), file. Split: train."""

    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "The ORL Database of Faces (AT&T Laboratories Cambridge): 40 people, 10 grey pictures of each."
    CITATION = """@inproceedings{samaria1994parameterisation,
  title={Parameterisation of a stochastic model for human face identification},
  author={Samaria, Ferdinando S and Harter, Andy C},
  booktitle={IEEE Workshop on Applications of Computer Vision},
  year={1994}
}"""
    LICENSE_NOTE = (
        "Free to use with credit to Olivetti Research Laboratory and a reference to Samaria and Harter, 1994."
    )
    PUBLISHED = {"train": 400}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "the ORL (AT&T) Database of Faces is needed, either unpacked (folders s1 to s40 of .pgm files) or as "
        "att_faces.npz with arrays images [400, 112, 92], subject and shot"
    )

    def _features(self) -> dict[str, Any]:
        return {"image": tfds.features.Image(shape=(None, None, 1)), "identity": np.int64}

    def _rows(self) -> dict[str, Iterable[manual.Row]]:
        path = self.config.path
        npz = _npz_of(path)
        return {"train": _npz_rows(npz) if npz else _folder_rows(path)}


def _npz_of(path: Path) -> Path | None:
    if path.is_file():
        return path
    return path / _NPZ if (path / _NPZ).is_file() else None


def _npz_rows(file: Path) -> Iterator[manual.Row]:
    arrays = load_npz(file, ("images", "subject", "shot"))
    images, subjects, shots = arrays["images"], arrays["subject"], arrays["shot"]
    if images.ndim != 3 or images.dtype != np.uint8 or not len(images) == subjects.size == shots.size:
        raise UsageError(f"{file}: expected images [N, H, W] uint8 with N subjects and shots, got {images.shape}")
    for row, (image, subject, shot) in enumerate(zip(images, subjects.ravel(), shots.ravel(), strict=True)):
        identity = manual.check_label(subject, PEOPLE, f"{file}: row {row}")
        yield manual.Row(f"s{identity + 1}/{int(shot) + 1}.pgm", image, {"identity": identity})


def _folders(path: Path) -> list[tuple[int, Path]]:
    """(identity, folder) of the folders s1, s2, ... in the order of their numbers."""
    found = []
    for folder in path.iterdir():
        match = re.fullmatch(r"s(\d{1,6})", folder.name)
        if match and folder.is_dir():
            found.append((manual.check_label(int(match[1]) - 1, PEOPLE, f"{folder} (its number minus one)"), folder))
    return sorted(found)


def _folder_rows(path: Path) -> Iterator[manual.Row]:
    for identity, folder in _folders(path):
        files = manual.pictures_below(folder)
        for file in sorted(files, key=lambda file: (len(file.stem), file.stem)):  # 2.pgm before 10.pgm
            yield manual.Row(manual.relative_name(file, path), file, {"identity": identity})


def builder(*, data_dir: str | None = None, path: str | None = None, skip_bad: bool = False) -> AttFaces:
    """Makes the builder.

    Args:
      data_dir: TFDS folder, where the prepared set is kept; None is TFDS's default.
      path: folder with s1..s40 or att_faces.npz, or that file; default ``<data_dir>/downloads/manual/att_faces``.
      skip_bad: leave pictures that cannot be decoded out instead of stopping.

    Raises:
      UsageError: there is no such data.
    """
    instructions = AttFaces.MANUAL_DOWNLOAD_INSTRUCTIONS
    found = manual.locate("att_faces", data_dir=data_dir, path=path, instructions=instructions)
    npz = _npz_of(found)
    roots = [npz] if npz else [folder for _, folder in _folders(found)]
    if not roots:
        raise UsageError(f"att_faces: neither {_NPZ} nor folders s1.. in {found}: {instructions}")
    return manual.make_builder(AttFaces, data_dir=data_dir, path=found, roots=roots, skip_bad=skip_bad)
