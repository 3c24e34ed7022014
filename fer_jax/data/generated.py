"""Faces that a generator made of a data set's training pictures, for training: what `fer_jax.cli.augment` writes.

A folder of them holds manifest.json, which says what they were made of, and pictures.jsonl, a line for each of them.
`index` is the position of the picture in the training split that it was made of. There are two kinds of folder:

* "augment": <index mod 100>/<index>_<k>.png show the expression that the picture has. In training, a picture that has
  any of them gives its place to one of them with some probability, drawn anew each time; one that has none stays.
* "expand": <class>/<index>.png show another one, and are further examples of that class.
"""

import collections
import contextlib
import dataclasses
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from fer_jax.core.config import GeneratedConfig
from fer_jax.core.errors import UsageError

MANIFEST, PICTURES = "manifest.json", "pictures.jsonl"
KINDS = ("augment", "expand")
PNG = b"\x89PNG\r\n\x1a\n"
_END = b"IEND\xaeB`\x82"
_SIZE = slice(16, 24)  # of a PNG file: width and height
_GROWS = ("count", "limit")  # settings that may change when a folder is gone on with
_SPREAD = 100  # folders that an augmented set is spread over
_MAKE = "fer-jax augment makes one"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a folder holds.

    Attributes:
      finished: whether all that was asked has been tried.
      size: of the pictures, in pixels.
      data: of the training split, see `Table.fingerprint`.
      made: pictures of each class that they show.
      failed: those that could not be made, for each reason.
      skipped: those that the rule of an expanded set left out.
      settings: of the tool and its generator.
    """

    kind: str
    finished: bool
    size: int
    data: dict[str, Any]
    made: dict[str, int] = dataclasses.field(default_factory=dict)
    failed: dict[str, int] = dataclasses.field(default_factory=dict)
    skipped: int = 0
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of pictures.jsonl: a file, what it was made of, the class that it shows, and if it failed, why."""

    file: str
    index: int
    label: str
    status: str  # "ok" or "failed"
    reason: str = ""


def augmented_file(index: int, number: int) -> str:
    """The name of a picture's made face `number`.

    >>> augmented_file(1234, 7)
    '34/1234_7.png'
    """
    return f"{index % _SPREAD}/{index}_{number}.png"


def expanded_file(index: int, label: str) -> str:
    """The name of a picture made to show the class `label`."""
    return f"{label}/{index}.png"


def read_manifest(folder: Path) -> Manifest | None:
    """What a folder says it holds; None where it says nothing.

    Raises:
      UsageError: the manifest cannot be read.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        manifest = Manifest(**json.loads(path.read_text()))
        if manifest.kind not in KINDS or not manifest.data.keys() >= {"name", "rows"}:
            raise ValueError(f"it is of no known kind, {manifest.kind!r}, or of no data set")
        return manifest
    except (OSError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); make the folder anew: {_MAKE}") from error


def read_entries(folder: Path) -> dict[str, Entry]:
    """The lines of a folder by file, the last of each. A line that is none, cut off by a crash, counts for nothing.

    Raises:
      UsageError: they cannot be read.
    """
    path, entries = folder / PICTURES, dict[str, Entry]()
    try:
        lines = path.read_bytes().splitlines() if path.exists() else []
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    for line in lines:
        with contextlib.suppress(TypeError, ValueError):
            entry = Entry(**json.loads(line))
            entries[entry.file] = entry
    return entries


# ---- writing --------------------------------------------------------------------------------------------------------


def put(path: Path, data: bytes) -> None:
    """Puts the whole file there or nothing. Raises UsageError."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error


def lines_of(entries: Iterable[Entry]) -> bytes:
    """The entries as lines of pictures.jsonl."""
    return "".join(json.dumps(dataclasses.asdict(entry)) + "\n" for entry in entries).encode()


def begin(out: Path, manifest: Manifest) -> dict[str, Entry]:
    """Starts a folder, or goes on with it; returns the lines that it has.

    Raises:
      UsageError: the folder is of other settings, another generator or other pictures, or cannot be written.
    """
    if old := read_manifest(out):
        theirs, mine = ({"kind": m.kind, "size": m.size, **m.data, **m.settings} for m in (old, manifest))
        differing = [n for n in mine if n not in _GROWS and mine[n] != theirs.get(n)]
        if differing:
            shown = ", ".join(f"{name} ({theirs.get(name, '-')} there, {mine[name]} now)" for name in differing)
            raise UsageError(f"--out {out}: has faces made otherwise: {shown}; name another folder")
    elif out.is_dir() and any(out.iterdir()):
        raise UsageError(f"--out {out}: is not empty, and has no {MANIFEST}; name another folder")
    _put_manifest(out, manifest)
    return read_entries(out)


def _put_manifest(out: Path, manifest: Manifest) -> None:
    put(out / MANIFEST, (json.dumps(dataclasses.asdict(manifest), indent=2) + "\n").encode())


def finish(out: Path, manifest: Manifest, done: Mapping[str, Entry], skipped: int) -> Manifest:
    """Says what was made, what was not, and why. Raises UsageError if it cannot be written."""
    put(out / PICTURES, lines_of(sorted(done.values(), key=lambda entry: (entry.index, entry.file))))
    made = collections.Counter(entry.label for entry in done.values() if entry.status == "ok")
    failed = collections.Counter(entry.reason for entry in done.values() if entry.status != "ok")
    whole = dataclasses.replace(manifest, finished=True, made=dict(made), failed=dict(failed), skipped=skipped)
    _put_manifest(out, whole)
    return whole


# ---- training -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Found:
    """A folder that a stream's config names, with what it says it holds; the training split is not known yet.

    Attributes:
      where: field of the config, for messages.
      probability: that a picture gives its place, of an augmented set.
    """

    where: str
    folder: Path
    manifest: Manifest
    probability: float


def find(config: GeneratedConfig, where: str) -> Found | None:
    """The folder that the field `generated` of a stream names; None where it names none and needs none.

    Raises:
      UsageError: it is missing, unfinished or of another kind, or the probability is none.
    """
    kind, probability = config.kind, config.probability
    if not 0 <= probability <= 1:
        raise UsageError(f"{where}.probability: {probability} is not between 0 and 1")
    if not (name := config.folder):
        if kind:
            option = " with --expand" if kind == "expand" else ""
            raise UsageError(f"{where}.folder: missing, and this config needs one; {_MAKE}{option}")
        return None
    folder = Path(name)
    if (manifest := read_manifest(folder)) is None:
        raise UsageError(f"{where}.folder: no {MANIFEST} in {folder}, so no made faces; {_MAKE}")
    if not manifest.finished:
        raise UsageError(f"{where}.folder: {folder} is incomplete; run the command that makes it again, and it goes on")
    if kind and kind != manifest.kind:
        raise UsageError(f"{where}.folder: {folder} is of the kind {manifest.kind!r}, this config needs {kind!r}")
    return Found(where, folder, manifest, probability)


@dataclasses.dataclass(frozen=True)
class Generated:
    """Made faces of a training table.

    Attributes:
      size: that the pictures have.
      rows: of the table; positions from there on are the further examples.
      probability: that a picture gives its place.
      own: position -> files, any of which may take its place.
      added: files of the further examples.
      expression: their classes, (len(added),).
    """

    folder: Path
    size: int
    rows: int
    probability: float
    own: Mapping[int, Sequence[str]]
    added: Sequence[str]
    expression: np.ndarray

    def column(self, field: str, column: np.ndarray) -> np.ndarray:
        """A label of the table's rows, and of the further examples after them."""
        del field  # further examples have their expression only, see `attach`
        return np.concatenate([column, self.expression.astype(column.dtype)]) if len(self.added) else column

    def read(self, table: Any, positions: np.ndarray, counters: np.ndarray, seed: int) -> list[bytes]:
        """What training sees at the positions: serialised examples of the table, or bytes of PNG files.

        Args:
          table: with `rows` rows.
          positions: (B,).
          counters: (B,), place of each example in the run, which with the seed decides what is drawn.
          seed: of the stream.

        Raises:
          UsageError: a file is missing, or not what the manifest says.
        """
        files = [self.chosen(int(at), int(counter), seed) for at, counter in zip(positions, counters, strict=True)]
        kept = np.array([at for at, file in zip(positions, files, strict=True) if file is None], np.int64)
        records = iter(table.read(kept) if len(kept) else ())
        return [next(records) if file is None else self._bytes(file) for file in files]

    def chosen(self, position: int, counter: int, seed: int) -> str | None:
        """The file that is seen at a position, None for the table's own picture."""
        if position >= self.rows:
            return self.added[position - self.rows]
        if not (files := self.own.get(position)):
            return None
        rng = np.random.default_rng([seed, counter])
        which = int(rng.integers(len(files)))
        return files[which] if rng.random() < self.probability else None

    def _bytes(self, file: str) -> bytes:
        path = self.folder / file
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror or error}; make the folder anew") from error
        if not (data.startswith(PNG) and data.endswith(_END)):
            raise UsageError(f"{path}: is not a whole PNG file; remove it and run the command that made it again")
        width, height = np.frombuffer(data[_SIZE], ">u4")
        if (width, height) != (self.size, self.size):
            raise UsageError(f"{path}: has {width} x {height} pixels; {MANIFEST} says {self.size} x {self.size}")
        return data


def attach(found: Mapping[str, Found], tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Generated]:
    """The made faces of each stream that has any.

    Args:
      found: by stream.
      tables: stream -> split -> Table.

    Raises:
      UsageError: they were made of other pictures, do not go with the labels, or would part what belongs together.
    """
    generated = {name: _attach(one, tables[name]["train"]) for name, one in found.items()}
    added = {name: len(generated[name].added) if name in generated else 0 for name in tables}
    for name, more in added.items():
        for other, other_more in added.items():
            mine, theirs = tables[name]["train"], tables[other]["train"]
            same = mine.records is theirs.records and np.array_equal(mine.rows, theirs.rows)
            if same and more != other_more:
                raise UsageError(
                    f"config.data.streams: {name} and {other} hold the same pictures side by side, which further "
                    "examples in one of them would end; give both the same folder, or one of the kind augment"
                )
    return generated


def _attach(found: Found, table: Any) -> Generated:
    manifest, where = found.manifest, found.where
    mine = table.fingerprint()
    if differing := [name for name, value in mine.items() if manifest.data.get(name) != value]:
        shown = "; ".join(f"{name}: {manifest.data.get(name, '-')} there, {mine[name]} now" for name in differing)
        raise UsageError(
            f"{where}.folder: {found.folder} was made for another data set or training split ({shown}); {_MAKE}"
        )
    entries = [entry for entry in read_entries(found.folder).values() if entry.status == "ok"]
    if wrong := [entry for entry in entries if not 0 <= entry.index < len(table)]:
        raise UsageError(f"{found.folder / PICTURES}: {wrong[0].file} is of no picture of the {len(table)} there are")
    names = table.classes.get("expression", ())
    if manifest.kind == "expand" and set(table.labels) != {"expression"}:
        raise UsageError(
            f"{where}.folder: further examples have the label expression only; the stream has "
            f"{', '.join(table.labels) or 'none'}: choose a config without the others, or the kind augment"
        )
    if names and (unknown := sorted({entry.label for entry in entries} - set(names))):
        raise UsageError(f"{found.folder}: {unknown[0]!r} is no class; {table.records.name} has {', '.join(names)}")
    own: dict[int, list[str]] = {}
    for entry in entries if manifest.kind == "augment" else ():
        own.setdefault(entry.index, []).append(entry.file)
    added = entries if manifest.kind == "expand" else []
    # In one order, whatever the order in which they were made.
    generated = Generated(
        folder=found.folder,
        size=manifest.size,
        rows=len(table),
        probability=found.probability,
        own={index: sorted(files) for index, files in own.items()},
        added=[entry.file for entry in sorted(added, key=lambda entry: (names.index(entry.label), entry.index))],
        expression=np.sort(_numbers(added, names)),
    )
    _say(found, generated)
    return generated


def _numbers(entries: Iterable[Entry], names: Sequence[str]) -> np.ndarray:
    return np.array([names.index(entry.label) for entry in entries], np.int64)


def _say(found: Found, generated: Generated) -> None:
    manifest, rows = found.manifest, generated.rows
    effect = f"{len(generated.added)} further examples beside {rows}"
    if manifest.kind == "augment":
        share = len(generated.own) / rows
        effect = (
            f"{100 * share:.1f} % of the {rows} pictures have any, with probability {found.probability:g}: "
            f"{100 * share * found.probability:.1f} % of what training sees"
        )
    made, failed = sum(manifest.made.values()), sum(manifest.failed.values())
    logging.info("%s: %s, %d made, %d failed; %s", found.folder, manifest.kind, made, failed, effect)
