"""A table of predictions."""

import csv
import html
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fer_jax.core.errors import UsageError
from fer_jax.core.writing import whole_file

Row = dict[str, Any]  # column -> value, None = empty
_DECIMALS = 6
_SHOWN = 10


def columns(classes: Sequence[str]) -> list[str]:
    """Columns of a table of predictions over some classes."""
    return ["file", "class", *(f"p_{name}" for name in classes), "valence", "arousal", "error"]


def rounded(row: Row) -> Row:
    """A row as files have it: floats with six decimals."""
    return {name: round(value, _DECIMALS) if isinstance(value, float) else value for name, value in row.items()}


class Predictions(Sequence[Row]):
    """Rows in the order of the pictures.

    Attributes:
      columns: their names: "file", "class", "p_<class>" for each class, "valence", "arousal" and "error". Valence and
        arousal are None where the network predicts none; where a picture could not be read, all are but "error".
      about: what predicted, for whom the table is read by.
    """

    def __init__(self, rows: Sequence[Row], names: Sequence[str], about: str = ""):
        self._rows, self.columns, self.about = list(rows), list(names), about

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def to_pandas(self) -> Any:
        """A pandas DataFrame.

        Raises:
          UsageError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UsageError("to_pandas: pandas is not installed; pip install pandas, or use save") from None
        return pandas.DataFrame(self._rows, columns=self.columns)

    def save(self, path: str | Path) -> None:
        """Writes the table as .csv or .jsonl, by the name's ending.

        Raises:
          UsageError: another ending, or it cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() not in (".csv", ".jsonl"):
            raise UsageError(f"{path}: the ending must be .csv or .jsonl")
        lines = path.suffix.lower() == ".jsonl"
        text = "".join(json.dumps(rounded(row)) + "\n" for row in self._rows) if lines else self._csv()
        try:
            with whole_file(path) as partial:
                partial.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error

    def _csv(self) -> str:
        stream = io.StringIO()
        writer = csv.DictWriter(stream, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(rounded, self._rows))
        return stream.getvalue()

    def _cells(self, row: Row) -> list[str]:
        shares = {name[2:]: row[name] for name in self.columns if name.startswith("p_")}
        share = f"{shares[row['class']]:.2f}" if row["class"] else ""
        circumplex = [f"{row[name]:+.2f}" if row[name] is not None else "" for name in ("valence", "arousal")]
        return [str(row["file"]), row["class"] or "", share, *circumplex, row["error"] or ""]

    def __repr__(self) -> str:
        rows = [["file", "class", "p", "valence", "arousal", "error"], *map(self._cells, self._rows[:_SHOWN])]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        more = [f"... {len(self) - _SHOWN} more"] if len(self) > _SHOWN else []
        return "\n".join([f"{len(self)} predictions of {self.about}", *lines, *more])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("file", "class", "p", "valence", "arousal", "error"))
        rows = (
            "".join(f"<td>{html.escape(cell)}</td>" for cell in self._cells(row)) for row in self._rows[: 2 * _SHOWN]
        )
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><caption>{html.escape(self.about)}</caption><tr>{head}</tr>{body}</table>"
