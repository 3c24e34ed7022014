"""CelebA: 202,599 faces of celebrities from the web, as a folder of pictures; its attributes are not read."""

from collections.abc import Iterable
from typing import Any

import tensorflow_datasets as tfds

from fer_jax.core.errors import UsageError
from fer_jax.data import manual


class CelebA(manual.ManualBuilder):
    """Features: image [H, W, 3] uint8, file. Split: train, all pictures below the folder by name."""

    name = "celeba"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "CelebA, aligned and cropped: faces of celebrities from the web, without labels."
    CITATION = """@inproceedings{liu2015deep,
  title={Deep learning face attributes in the wild},
  author={Liu, Ziwei and Luo, Ping and Wang, Xiaogang and Tang, Xiaoou},
  booktitle={ICCV},
  year={2015}
}"""
    LICENSE_NOTE = "For non-commercial research only; do not pass the pictures on."
    HOMEPAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
    PUBLISHED = {"train": 202599}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "CelebA's aligned pictures are needed: img_align_celeba.zip from its page, unpacked, e.g. "
        "img_align_celeba/000001.jpg"
    )

    def _features(self) -> dict[str, Any]:
        return {"image": tfds.features.Image(shape=(None, None, 3))}

    def _rows(self) -> dict[str, Iterable[manual.Row]]:
        path = self.config.path
        files = manual.pictures_below(path)
        return {"train": (manual.Row(manual.relative_name(file, path), file, {}) for file in files)}


def builder(*, data_dir: str | None = None, path: str | None = None, skip_bad: bool = False) -> CelebA:
    """Makes the builder. That pictures came, went or were renamed is noticed; a change within one is not.

    Args:
      data_dir: TFDS folder, where the prepared set is kept; None is TFDS's default.
      path: folder with the pictures; default ``<data_dir>/downloads/manual/celeba``.
      skip_bad: leave pictures that cannot be decoded out instead of stopping.

    Raises:
      UsageError: there is no such data.
    """
    instructions = CelebA.MANUAL_DOWNLOAD_INSTRUCTIONS
    found = manual.locate("celeba", data_dir=data_dir, path=path, instructions=instructions)
    if not found.is_dir() or not manual.pictures_below(found):
        raise UsageError(f"celeba: no pictures in {found}: {instructions}")
    folders = manual.folders_below(found)
    return manual.make_builder(CelebA, data_dir=data_dir, path=found, roots=[], skip_bad=skip_bad, folders=folders)
