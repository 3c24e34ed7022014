"""What all sources with files brought by the user share: finding them, checking them, naming the prepared set.

A source is a `ManualBuilder` subclass that lists its pictures (`Row`) for each split. This module decodes every one,
leaves out or refuses the bad ones, compares the counts with the published ones and hands them to TFDS in the source's
order (``disable_shuffling``: the references pair pictures by their index).

``download_and_prepare`` lets our `UsageError` through as it is: it is raised while TFDS draws examples from the
generator, and TFDS wraps only errors of its own encoding and writing. Nothing of the unfinished set is left behind.
"""

import abc
import collections
import contextlib
import csv
import dataclasses
import hashlib
import io
import itertools
import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from PIL import Image
from tensorflow_datasets.core import constants

from fer_jax.core.errors import UsageError
from fer_jax.data import alignment as align
from fer_jax.data import workers

FLAG = "--config.data.streams.<stream>.path"
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".webp")
_KEPT_MODES = {"JPEG": ("L", "RGB"), "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I")}


class BadPicture(ValueError):
    """A picture that cannot be used; the text says why, and `reason` what such pictures are counted as."""

    reason = "bad pictures"


@dataclasses.dataclass(frozen=True)
class Dropped:
    """Why a source leaves a row out by its own rules; rows are counted by this text, so it names none of them."""

    reason: str


Picture = Path | np.ndarray | Callable[[], bytes] | BadPicture | Dropped


@dataclasses.dataclass(eq=False)
class ManualConfig(tfds.core.BuilderConfig):
    """Where the user's files are and how they are read; its name is the fingerprint of all that."""

    path: Path = Path()
    skip_bad: bool = False
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Row:
    """One picture of a source.

    Attributes:
      file: what the user recognises it by, e.g. its relative path or "row 123".
      picture: its file, or uint8 grey values [H, W], or a function that makes its bytes or raises BadPicture; else
        the BadPicture found on reading the row, or why the row is Dropped.
      labels: the other features, e.g. {"expression": 3}.
    """

    file: str
    picture: Picture
    labels: Mapping[str, Any]


def locate(name: str, *, data_dir: str | None, path: str | None, instructions: str) -> Path:
    """Returns the absolute path of a source's files.

    Args:
      name: of the data set.
      data_dir: TFDS folder; None is its default.
      path: the user's files; None or "" is ``<data_dir>/downloads/manual/<name>``.
      instructions: what to get and how to lay it out, one sentence without full stop.

    Raises:
      UsageError: nothing is there.
    """
    default = Path(data_dir or constants.get_default_data_dir()) / "downloads" / "manual" / name
    found = Path(path).expanduser() if path else default.expanduser()
    if not found.exists():
        raise UsageError(
            f"{name}: nothing at {found}: {' '.join(instructions.split())}; put it there, or name its place by {FLAG}"
        )
    return found.resolve()


def files_below(root: Path) -> list[Path]:
    """All files below `root` (or `root` itself where it is a file), sorted, without hidden ones; links are followed."""
    if root.is_file():
        return [root]
    found, seen = [], set()
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if (real := os.path.realpath(folder)) in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add(real)
        found += [Path(folder, name) for name in files if not name.startswith(".")]
    return sorted(found)


def pictures_below(root: Path) -> list[Path]:
    """The files below `root` whose names end as pictures do, sorted."""
    return [file for file in files_below(root) if file.suffix.lower() in SUFFIXES]


def folders_below(root: Path) -> list[Path]:
    """`root` and the folders below it, sorted, without hidden ones; links are not followed."""
    found = []
    for folder, folders, _ in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.append(Path(folder))
    return sorted(found)


def fingerprint(path: Path, roots: Iterable[Path], options: Mapping[str, Any], folders: Iterable[Path] = ()) -> str:
    """Twelve hex digits that change with the place, the options, and any file's name, size or time below `roots`.

    Of `folders`, too large for that, only the names of what lies in them count.
    """
    digest = hashlib.sha256(json.dumps([str(path), sorted(options.items())]).encode())
    for root in roots:
        for file in files_below(root):
            stat = file.stat()
            digest.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    for folder in folders:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
        digest.update("\0".join([str(folder), *names, "\n"]).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:12]


def relative_name(file: Path, root: Path) -> str:
    """`file` as seen from `root`, with forward slashes, as valid text."""
    return file.relative_to(root).as_posix().encode("utf-8", "replace").decode()


def inside(root: Path, name: str, where: str) -> Path:
    """Joins a name from a list in a file to `root`; a UsageError (naming `where`) if it leads out of it."""
    parts = Path(name.replace("\\", "/"))
    if not name or "\0" in name or parts.is_absolute() or ".." in parts.parts:
        raise UsageError(f"{where}: the picture name {name!r} leads out of {root}; use names relative to that folder")
    return root / parts


def check_label(label: Any, count: int, where: str) -> int:
    """Returns `label` as int if it is one of 0..count-1, else raises a UsageError that names `where`."""
    try:
        value = int(label)
    except (TypeError, ValueError):
        value = -1
    if not 0 <= value < count or value != float(label):
        raise UsageError(
            f"{where}: label {label!r} is out of range 0..{count - 1}; is this the file for this data set?"
        )
    return value


def read_lines(file: Path) -> list[str]:
    """The lines of a text file. Raises UsageError naming it."""
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from None


def read_csv(file: Path, wanted: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Yields (row, the wanted columns); their header names may have spaces around them and come in any order.

    Raises:
      UsageError: a column is missing, a row is cut off, or the file cannot be read.
    """
    try:
        with open(file, newline="", encoding="utf-8-sig") as stream:
            lines = csv.reader(stream)
            header = [name.strip().lower() for name in next(lines, [])]
            missing = [name for name in wanted if name.lower() not in header]
            if missing:
                raise UsageError(f"{file}: no column {missing[0]!r} in its header {header[:12]}")
            columns = [header.index(name.lower()) for name in wanted]
            for row, values in enumerate(line for line in lines if line):
                if len(values) != len(header):
                    raise UsageError(f"{file}: row {row}: {len(values)} columns, not {len(header)}; is the file whole?")
                yield row, [values[column].strip() for column in columns]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from None


def png_bytes(picture: np.ndarray | Image.Image) -> bytes:
    """Encodes uint8 [H, W] or [H, W, 3] values, or a picture, as PNG."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)  # bigger by a tenth, faster by far
    return buffer.getvalue()


def decode(file: Path) -> tuple[bytes, Image.Image]:
    """A picture file, completely decoded: its bytes, as they are for jpeg and png, else as PNG; and the picture.

    Raises:
      BadPicture: empty, truncated, damaged or not a picture.
      FileNotFoundError: it is not there.
    """
    data = file.read_bytes()
    if not data:
        raise BadPicture("the file is empty")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.format == "PNG":
                image.verify()  # checksums, which loading leaves out but TensorFlow insists on
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            plain = image.convert("L" if image.mode in ("1", "L", "LA", "I", "I;16") else "RGB")
            kept = image.mode in _KEPT_MODES.get(image.format or "", ())
        return data if kept else png_bytes(plain), plain
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        reason = "not a picture" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise BadPicture(f"it cannot be decoded: {reason}") from None


def picture_bytes(file: Path, size: int = 0) -> bytes:
    """The bytes of a picture file, see `decode`; unless it is 0, resized to a shorter side of `size` pixels."""
    data, image = decode(file)
    if not size or min(image.size) == size:
        return data
    return png_bytes(align.resize_shorter(np.asarray(image), size))


def _encode(pictures: list[Picture]) -> list[Any]:
    """For each its bytes, or what keeps it from having any: an exception, or why it is Dropped. What workers run."""

    def encode(picture: Picture) -> Any:
        if isinstance(picture, BadPicture | Dropped):
            return picture
        if isinstance(picture, np.ndarray):
            return png_bytes(picture)
        try:
            return picture_bytes(picture) if isinstance(picture, Path) else picture()
        except (BadPicture, OSError) as error:
            return error

    return [encode(picture) for picture in pictures]


class ManualBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg,unused-ignore]
    """Base of the sources with files brought by the user; subclasses list their rows and features.

    Class attributes of subclasses: VERSION, DESCRIPTION, CITATION, LICENSE_NOTE, HOMEPAGE, PUBLISHED (counts by
    split; empty where none are published), MANUAL_DOWNLOAD_INSTRUCTIONS, SLOW (making a picture takes so long that it
    is done by all cores).
    """

    # TFDS looks here for a file of checksums, and that look-up needs a package it does not install (4.9.10).
    code_path = None
    DESCRIPTION: ClassVar[str] = ""
    CITATION: ClassVar[str] = ""
    LICENSE_NOTE: ClassVar[str] = ""
    HOMEPAGE: ClassVar[str] = ""
    PUBLISHED: ClassVar[Mapping[str, int]] = {}
    SLOW: ClassVar[bool] = False

    @property
    def config(self) -> ManualConfig:
        """The configuration; a UsageError where the builder was not made by the source's ``builder``."""
        if not isinstance(self.builder_config, ManualConfig):
            raise UsageError(f"{self.name}: make it with fer_jax.data.sources.{self.name}.builder(path=...)")
        return self.builder_config

    @abc.abstractmethod
    def _features(self) -> dict[str, Any]:
        """The features besides ``file``."""

    @abc.abstractmethod
    def _rows(self) -> Mapping[str, Iterable[Row]]:
        """The pictures by split; a split without any is left out."""

    def _published(self) -> Mapping[str, int]:
        return self.PUBLISHED

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{' '.join(self.DESCRIPTION.split())} Prepared from {self.config.path}.",
            features=tfds.features.FeaturesDict({**self._features(), "file": tfds.features.Text()}),
            homepage=self.HOMEPAGE or None,
            citation=self.CITATION or None,
            license=self.LICENSE_NOTE or None,
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager  # nothing is downloaded
        rows = self._rows()
        if not rows:
            raise UsageError(f"{self.name}: no pictures in {self.config.path}")
        self.info.metadata.update({"skipped": [], "dropped": {}})
        return {split: self._generate_examples(split, found) for split, found in rows.items()}

    def _generate_examples(self, split: str, rows: Iterable[Row]) -> Iterator[tuple[int, dict[str, Any]]]:
        skipped: list[str] = []
        why, dropped = collections.Counter[str](), collections.Counter[str]()
        count = 0
        rows, ahead = itertools.tee(rows)
        pictures = (row.picture for row in ahead)
        with contextlib.closing(workers.in_order(_encode, pictures, workers=None if self.SLOW else 1)) as made:
            for row, picture in zip(rows, made, strict=True):
                if isinstance(picture, Dropped):
                    dropped[picture.reason] += 1
                elif isinstance(picture, BadPicture) and self.config.skip_bad:
                    skipped.append(row.file)
                    why[picture.reason] += 1
                elif isinstance(picture, Exception):
                    raise self._refusal(row, picture) from None
                else:
                    yield count, {"image": picture, **row.labels, "file": row.file}
                    count += 1
        self.info.metadata["skipped"] += skipped
        if skipped:
            logging.warning("%s: %s: left out %s: %s", self.name, split, tally(why), skipped[:5])
        if dropped:
            self.info.metadata["dropped"][split] = dict(dropped)
            logging.info("%s: %s: dropped %s", self.name, split, tally(dropped))
        if not count:
            raise UsageError(f"{self.config.path}: no usable picture for split {split}")
        if (published := self._published().get(split)) not in (None, count + len(skipped)):
            message = "%s: split %s has %d pictures here, %d are published; results are not comparable"
            logging.warning(message, self.name, split, count + len(skipped), published)

    def _refusal(self, row: Row, error: Exception) -> UsageError:
        where = f"{self.config.path}: {row.file}"
        if isinstance(error, BadPicture):
            return UsageError(f"{where}: {error}; replace it, or leave such pictures out by skip_bad")
        file = getattr(error, "filename", None) or row.picture
        if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
            return UsageError(f"{where}: the picture {file} is missing")
        return UsageError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}")


_Builder = TypeVar("_Builder", bound=ManualBuilder)


def make_builder(
    kind: type[_Builder],
    *,
    data_dir: str | None,
    path: Path,
    roots: Sequence[Path],
    skip_bad: bool,
    options: Mapping[str, Any] | None = None,
    folders: Sequence[Path] = (),
) -> _Builder:
    """Makes a source's builder, named after the fingerprint of its files: changed ones are prepared anew.

    Args:
      kind: the builder class.
      data_dir: TFDS folder; None is its default.
      path: as `locate` returns it.
      roots: files and folders that the rows depend on.
      skip_bad: leave bad pictures out (see `skipped`) instead of stopping at the first.
      options: of the source, JSON values.
      folders: as for `fingerprint`, in place of roots with very many files.
    """
    options = dict(options or {})
    name = fingerprint(path, roots, {**options, "skip_bad": skip_bad}, folders)
    config = ManualConfig(name=name, description=f"files in {path}", path=path, skip_bad=skip_bad, options=options)
    return kind(config=config, data_dir=data_dir)


def skipped(builder: tfds.core.DatasetBuilder) -> list[str]:
    """Names of the pictures that ``skip_bad`` left out of a prepared set, kept in its metadata.json."""
    return list((builder.info.metadata or {}).get("skipped", []))


def dropped(builder: tfds.core.DatasetBuilder) -> dict[str, dict[str, int]]:
    """Split -> reason -> number of the rows that a source's own rules left out of a prepared set."""
    return dict((builder.info.metadata or {}).get("dropped", {}))


def tally(counts: Mapping[str, int]) -> str:
    """Counts on one line, the largest first.

    >>> tally({"contempt": 3, "uncertain": 12})
    '12 uncertain, 3 contempt'
    """
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda item: -item[1]))
