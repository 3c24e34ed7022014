"""Faces that OpenFace 2 cut out and masked, with its action units: what the AU editor is trained on.

OpenFace's FeatureExtraction, run on videos or folders of pictures (such as `fer_jax.cli.download_images` makes of
EmotioNet's lists), writes a table of numbers and a folder of aligned faces for each, which are read here as they are.
"""

import csv
import dataclasses
import functools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from tensorflow_datasets.core import shuffle

from fer_jax.core.errors import UsageError
from fer_jax.core.labels import AU_NUMBERS
from fer_jax.data import manual

COLUMNS = {"presence": "c", "intensity": "r"}  # what a table's columns end in, AU01_c and AU01_r
STRONGEST = 5  # intensities are 0..5
SPLITS = ("train", "validation", "test")
SHARES = {"test": 0.2, "validation": 0.1}
_FIELDS = ("frame", "confidence", "success")
_SUFFIXES = (".bmp", ".png", ".jpg", ".jpeg")
_HELD = 1 << 26  # bytes of a split that are in memory before TFDS moves to files
_FILES = 100  # of which it then fills so many, one after another, and reads each as a whole


class Openface(manual.ManualBuilder):
    """Features: image [S, S, 3] uint8, aus [17] float32 in the order of `AU_NUMBERS`, part, file (table, frame, row).

    AUs are as OpenFace gives them, 0 or 1 (presence) or 0..5 (intensity); scaling them is the system's, by what it
    finds in its training split. Rows without success, or of too little confidence, are dropped and counted, see
    `fer_jax.data.manual.dropped`.

    Splits are of whole tables, so that no video is in two: see `allot`. With fewer than three tables they are blocks
    of each table's frames, in which neighbours across a border look alike; the log says so. The reference has no
    splits: it trains and measures on all pictures. Everything is in sorted order, the reference's in the file system's.
    """

    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "Aligned faces with 17 action units by OpenFace 2."
    CITATION = """@inproceedings{baltrusaitis2018openface,
  title={OpenFace 2.0: Facial Behavior Analysis Toolkit},
  author={Baltrusaitis, Tadas and Zadeh, Amir and Lim, Yao Chong and Morency, Louis-Philippe},
  booktitle={IEEE International Conference on Automatic Face and Gesture Recognition},
  year={2018}
}"""
    LICENSE_NOTE = "The terms of your pictures; OpenFace itself is for academic and non-commercial use."
    HOMEPAGE = "https://github.com/TadasBaltrusaitis/OpenFace"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "a folder with OpenFace's output is needed: <part>/processed/<name>.csv and, beside it, "
        "<name>_aligned/frame_det_00_000001.bmp ..., any number of parts and names; run FeatureExtraction -fdir "
        "<part>/<name> -out_dir <part>/processed -aus -simalign for every part"
    )
    SLOW = True

    def _features(self) -> dict[str, Any]:
        size = self.config.options["size"]
        return {
            "image": tfds.features.Image(shape=(size, size, 3)),
            "aus": tfds.features.Tensor(shape=(len(AU_NUMBERS),), dtype=np.float32),
            "part": tfds.features.Text(),
        }

    def download_and_prepare(self, **options: Any) -> None:
        """As of any builder, in memory that does not grow with the number of pictures, see `_generate_examples`."""
        before, shuffle.MAX_MEM_BUFFER_SIZE = shuffle.MAX_MEM_BUFFER_SIZE, _HELD  # else 1 GB
        try:
            super().download_and_prepare(**options)
        finally:
            shuffle.MAX_MEM_BUFFER_SIZE = before

    def _generate_examples(self, split: str, rows: Iterable[manual.Row]) -> Iterator[tuple[int, dict[str, Any]]]:
        """The examples in order, their keys spread over all that TFDS allows.

        It sorts a split by them, file by file, and which file a key is in its highest bits say: with the keys 0, 1, ...
        of other sources all are in the first file, which is read as a whole.
        """
        for key, example in super()._generate_examples(split, rows):
            file = key * _FILES // self._usable[split]
            yield (file << shuffle.HKEY_SIZE) // _FILES + key, example

    def _rows(self) -> dict[str, Iterator[manual.Row]]:
        path, options = self.config.path, self.config.options
        tables, bad = _survey(path, options)
        if len(tables) < len(SPLITS):
            logging.info("openface: %d tables are too few to be split; each is cut into blocks of frames", len(tables))
            chosen = {split: [(table, blocks(table.usable)[split]) for table in tables] for split in SPLITS}
        else:
            splits = allot([table.usable for table in tables], options["split_seed"])
            chosen = {split: [(tables[i], range(tables[i].usable)) for i in splits[split]] for split in SPLITS}
        self._usable = {split: sum(len(span) for _, span in tables) for split, tables in chosen.items()}
        # What is in no split is reported first.
        return {split: _listed(chosen[split], bad if split == "train" else [], options) for split in SPLITS}


# ---- which pictures are in which split ------------------------------------------------------------------------------


def allot(sizes: Sequence[int], seed: int) -> dict[str, list[int]]:
    """Split -> sorted numbers of the tables (at least three) that are in it, by their sizes.

    The largest is for training. The others go, in an order drawn from `seed`, to test until it has about a fifth of
    all rows, then to validation until it has a tenth; each gets at least one.
    """
    largest = int(np.argmax(sizes))
    order = [int(i) for i in np.random.default_rng(seed).permutation(len(sizes)) if i != largest]
    splits: dict[str, list[int]] = {"train": [largest]}
    for split, share in SHARES.items():
        spared = 1 if split == "test" else 0  # validation needs one too
        taken = [order.pop()]
        while len(order) > spared and sum(sizes[i] for i in taken) + sizes[order[-1]] / 2 <= share * sum(sizes):
            taken.append(order.pop())
        splits[split] = sorted(taken)
    splits["train"] = sorted(splits["train"] + order)
    return splits


def blocks(rows: int) -> dict[str, range]:
    """Split -> the consecutive rows of a table that are in it; all train where there are fewer than three.

    >>> blocks(10)
    {'train': range(0, 7), 'validation': range(7, 8), 'test': range(8, 10)}
    """
    test, validation = (max(1, round(share * rows)) if rows >= len(SPLITS) else 0 for share in SHARES.values())
    train = rows - test - validation
    return {
        "train": range(train),
        "validation": range(train, train + validation),
        "test": range(train + validation, rows),
    }


# ---- tables ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Table:
    """One csv file.

    Attributes:
      usable: rows with success and confidence, of which some may still turn out bad.
    """

    path: Path
    name: str
    part: str
    usable: int


def _bad(reason: str, text: str) -> manual.BadPicture:
    """A picture that cannot be used, counted as `reason`."""
    error = manual.BadPicture(text)
    error.reason = reason
    return error


def parts_of(path: Path) -> dict[Path, list[Path]]:
    """The parts below a root, and the tables of each, all sorted."""
    parts = sorted(item for item in path.iterdir() if item.is_dir() and not item.name.startswith("."))
    return {
        part: sorted(file for file in (part / "processed").glob("*.csv") if not file.name.startswith("."))
        for part in parts
    }


def _pictures_of(table: Path) -> Path:
    return table.with_name(f"{table.stem}_aligned")


def _survey(path: Path, options: Mapping[str, Any]) -> tuple[list[Table], list[manual.Row]]:
    """Tables with usable rows, and a bad row for every part or table without; what columns are not read is logged."""
    tables: list[Table] = []
    bad: list[manual.Row] = []
    others: dict[str, None] = {}
    for part, files in parts_of(path).items():
        if not files:
            bad.append(manual.Row(part.name, _bad("parts without tables", "it has no processed/*.csv"), {}))
        for file in files:
            name, header = manual.relative_name(file, path), _header(file)
            lower = [column.lower() for column in header]
            wanted = _wanted(options["columns"])
            if missing := [column for column in wanted if column.lower() not in lower]:
                text = f"it has no column {', '.join(missing)}"
                bad.append(manual.Row(name, _bad("tables without columns", text), {}))
                continue
            read = {column.lower() for column in wanted}
            others |= dict.fromkeys(re.sub(r"\d+", "#", column) for column in header if column.lower() not in read)
            rows = manual.read_csv(file, _FIELDS)
            usable = sum(_dropped(values, options["min_confidence"]) is None for _, values in rows)
            if usable:
                tables.append(Table(file, name, manual.relative_name(part, path), usable))
            else:
                bad.append(manual.Row(name, _bad("tables without usable rows", "it has no usable row"), {}))
    if others:
        logging.info("openface: columns that are not read (# is a number): %s", ", ".join(others))
    return tables, bad


def _header(file: Path) -> list[str]:
    """Names of a table's columns, without the spaces that OpenFace puts before them."""
    try:
        with open(file, newline="", encoding="utf-8-sig") as stream:
            return [name.strip() for name in next(csv.reader(stream), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from None


def _wanted(columns: str) -> tuple[str, ...]:
    return (*_FIELDS, *(f"AU{au:02d}_{COLUMNS[columns]}" for au in AU_NUMBERS))


def _dropped(values: Sequence[str], min_confidence: float) -> manual.Dropped | None:
    """Why a row (frame, confidence, success) is left out; None too if it is no numbers, which `_row` reports."""
    try:
        confidence, success = map(float, values[1:3])
    except ValueError:
        return None
    if success != 1:
        return manual.Dropped("without success")
    return None if confidence >= min_confidence else manual.Dropped(f"of confidence below {min_confidence:g}")


# ---- rows -----------------------------------------------------------------------------------------------------------


def _listed(
    chosen: Sequence[tuple[Table, range]], bad: Sequence[manual.Row], options: Mapping[str, Any]
) -> Iterator[manual.Row]:
    """The bad rows, and of each table the usable rows that are chosen, with the dropped ones that lie between."""
    yield from bad
    for table, span in chosen:
        before = 0  # usable rows
        for number, values in manual.read_csv(table.path, _wanted(options["columns"])):
            dropped = _dropped(values, options["min_confidence"])
            if min(before, table.usable - 1) in span:
                where = f"{table.name} frame {values[0]} (row {number})"
                yield manual.Row(where, dropped, {}) if dropped else _row(table, where, values, options)
            before += dropped is None


def _row(table: Table, where: str, values: Sequence[str], options: Mapping[str, Any]) -> manual.Row:
    wanted = _wanted(options["columns"])
    try:
        frame, _, _ = (_number(*pair) for pair in zip(_FIELDS, values[:3], strict=True))
        if frame != int(frame) or frame < 1:
            raise _bad("bad rows", f"frame is {values[0]!r}, not a whole number from 1")
        aus = [_au(*pair) for pair in zip(wanted[3:], values[3:], strict=True)]
    except manual.BadPicture as error:
        return manual.Row(where, error, {})
    stem = _pictures_of(table.path) / f"frame_det_00_{int(frame):06d}"
    picture = functools.partial(aligned_bytes, stem, options["size"])
    return manual.Row(where, picture, {"aus": np.array(aus, np.float32), "part": table.part})


def _number(column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _bad("bad rows", f"{column} is {text!r}, not a number")
    return value


def _au(column: str, text: str) -> float:
    value = _number(column, text)
    if column.endswith("_c") and value not in (0, 1):
        raise _bad("bad rows", f"{column} is {text!r}, neither 0 nor 1")
    if not 0 <= value <= STRONGEST:
        raise _bad("bad rows", f"{column} is {text!r}, outside of 0..{STRONGEST}")
    return value


def aligned_bytes(stem: Path, size: int) -> bytes:
    """The bytes of the picture of that name, whatever its ending.

    Raises:
      BadPicture: there is none, it cannot be decoded, or it is not `size` pixels wide and high.
    """
    for suffix in _SUFFIXES:
        try:
            data, image = manual.decode(Path(f"{stem}{suffix}"))
        except FileNotFoundError:
            continue
        if image.size != (size, size):
            text = f"its picture is {image.width} x {image.height}, not {size} x {size}; give size, or align it anew"
            raise _bad("pictures of another size", text)
        return data
    raise _bad("frames without a picture", f"there is no {stem}{_SUFFIXES[0]} (nor {', '.join(_SUFFIXES[1:])})")


# ---- the builder ----------------------------------------------------------------------------------------------------


def builder(
    *,
    data_dir: str | None = None,
    path: str | None = None,
    skip_bad: bool = False,
    columns: str = "presence",
    min_confidence: float = 0.0,
    size: int = 112,
    split_seed: int = 0,
) -> Openface:
    """Makes the builder. That pictures came, went or were renamed is noticed; a change within one is not.

    Args:
      data_dir: TFDS folder, where the prepared set is kept; None is TFDS's default.
      path: folder with the parts; default ``<data_dir>/downloads/manual/openface``.
      skip_bad: leave out what cannot be used instead of stopping: rows with values that are no AUs, pictures that are
        missing, damaged or of another size, tables without the columns or a usable row, and parts without a table.
      columns: "presence" for AUxx_c, "intensity" for AUxx_r.
      min_confidence: rows of less confidence are dropped; the reference takes all that have success.
      size: width and height of the aligned pictures, OpenFace's -simsize.
      split_seed: of the order in which tables go into splits.

    Raises:
      UsageError: there is no such data, or an option is wrong.
    """
    if columns not in COLUMNS:
        raise UsageError(f"openface: columns={columns!r}; give {' or '.join(map(repr, COLUMNS))}")
    if not 0 <= min_confidence <= 1:
        raise UsageError(f"openface: min_confidence={min_confidence!r}; give a number in 0..1")
    for option, value, least in (("size", size, 1), ("split_seed", split_seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UsageError(f"openface: {option}={value!r}; give a whole number from {least}")
    instructions = Openface.MANUAL_DOWNLOAD_INSTRUCTIONS
    found = manual.locate("openface", data_dir=data_dir, path=path, instructions=instructions)
    if not found.is_dir() or (found / "processed").is_dir():
        raise UsageError(f"openface: {found} is not the folder above the parts: {instructions}")
    parts = parts_of(found)
    tables = [table for tables in parts.values() for table in tables]
    if not tables:
        raise UsageError(f"openface: no <part>/processed/*.csv in {found}: {instructions}")
    return manual.make_builder(
        Openface,
        data_dir=data_dir,
        path=found,
        roots=tables,
        skip_bad=skip_bad,
        options={
            "columns": columns,
            "min_confidence": float(min_confidence),
            "size": size,
            "split_seed": split_seed,
        },
        folders=[found, *(folder for table in tables if (folder := _pictures_of(table)).is_dir())],
    )
