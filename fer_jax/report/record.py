"""metrics.jsonl, the record of a run; TensorBoard events and curves are drawn from it.

One JSON object a line: {"step": ..., "kind": "train" | "eval" | ..., name: value, ...}.
"""

import csv
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FILE = "metrics.jsonl"


def read(workdir: Path) -> list[dict[str, Any]]:
    """All rows; a last line that a crash cut short is left out."""
    path = workdir / FILE
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


class Record:
    """Appends rows to the record and to TensorBoard's events. Only host 0 has one.

    Opened at step n it drops rows beyond n, which a run that died may have left behind its last checkpoint, so that no
    row is ever repeated.
    """

    def __init__(self, workdir: Path, step: int):
        kept = [row for row in read(workdir) if row["step"] <= step]
        path = workdir / FILE
        partial = path.with_suffix(".tmp")
        partial.write_text("".join(json.dumps(row) + "\n" for row in kept))
        partial.replace(path)
        self._file = path.open("a")
        self._events = _Events(workdir / "tensorboard")
        for row in kept:
            self._events.write(row)

    def write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
        """Adds one row."""
        row = {"step": step, "kind": kind, **values}
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        self._events.write(row)

    def close(self) -> None:
        """Closes both files."""
        self._file.close()
        self._events.close()


def write_csv(path: Path, workdir: Path, columns: Mapping[str, str], also: str, steps_per_epoch: int) -> None:
    """The record as a table with the columns that a published program's log has, and some more.

    A row for each report of training, with the figures of an evaluation after the same step; "epoch" and "batch" count
    from 0, as there, and say which batch came last. Since it is drawn from the record anew, no row is repeated or lost.

    Args:
      path: of the table.
      workdir: with the record.
      columns: name in the record -> column, which is empty where no evaluation or step has given it.
      also: what other names begin with that get a column, called as in the record.
      steps_per_epoch: steps in an epoch.
    """
    rows: dict[int, dict[str, Any]] = {}
    for row in read(workdir):
        rows.setdefault(row["step"], {}).update(row)
    others = sorted({name for row in rows.values() for name in row if name.startswith(also)} - columns.keys())
    names = [*columns, *others]
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["epoch", "batch", *columns.values(), *(name.removeprefix(also) for name in others)])
        for step, row in sorted(rows.items()):
            table.writerow([*divmod(step - 1, steps_per_epoch), *(row.get(name, "") for name in names)])


class _Events:
    """TensorBoard scalars. tf.summary.scalar would need the tensorboard package; the plugin metadata is enough."""

    def __init__(self, folder: Path):
        import tensorflow as tf

        for old in folder.glob("events.out.tfevents.*"):  # drawn anew from the record
            old.unlink()
        self._tf = tf
        self._writer = tf.summary.create_file_writer(str(folder))
        self._metadata = tf.compat.v1.SummaryMetadata()
        self._metadata.plugin_data.plugin_name = "scalars"
        self._metadata.data_class = 1  # DATA_CLASS_SCALAR

    def write(self, row: Mapping[str, Any]) -> None:
        with self._writer.as_default():
            for name, value in row.items():
                if name not in ("step", "kind") and isinstance(value, int | float):
                    tag = f"{row['kind']}/{name}"
                    self._tf.summary.write(tag, float(value), step=row["step"], metadata=self._metadata)

    def close(self) -> None:
        self._writer.close()


def non_finite(values: Mapping[str, float]) -> list[str]:
    """Names of the values that are NaN or infinite."""
    return sorted(name for name, value in values.items() if not math.isfinite(value))


def highest(workdir: Path, name: str) -> tuple[float, int] | None:
    """The highest value that an evaluation gave a figure, and its step, the first of equals; None if none gave it."""
    steps, values = series(read(workdir), "eval").get(name, ([], []))
    return max(zip(values, steps, strict=True), key=lambda pair: (pair[0], -pair[1]), default=None)


def series(rows: Iterable[Mapping[str, Any]], kind: str) -> dict[str, tuple[list[int], list[float]]]:
    """Name -> (steps, values) of the rows of one kind."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for row in rows:
        if row["kind"] == kind:
            for name, value in row.items():
                if name not in ("step", "kind"):
                    steps, values = found.setdefault(name, ([], []))
                    steps.append(row["step"])
                    values.append(value)
    return found
