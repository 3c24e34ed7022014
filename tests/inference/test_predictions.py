"""Tables of predictions: shown, and saved whole."""

import csv
import json
import sys
from types import SimpleNamespace

import pytest

from fer_jax.core.errors import UsageError
from fer_jax.inference.predictions import Predictions, columns, rounded

CLASSES = ("fear", "happiness")


def row(file="a.png", share=0.75, **fields):
    values = dict.fromkeys(columns(CLASSES)) | {"file": file, "class": "happiness"}
    return values | {"p_fear": 1 - share, "p_happiness": share, "valence": 0.12345678, "arousal": -0.5} | fields


BAD = dict.fromkeys(columns(CLASSES)) | {"file": "<b>.png", "error": "is not a picture"}


@pytest.fixture
def table():
    return Predictions([row(), BAD, row("c.png", valence=None, arousal=None)], columns(CLASSES), "a & b")


def test_it_is_a_sequence_of_rows(table):
    assert len(table) == 3 and table[1] == BAD and table[-1]["file"] == "c.png" and list(table)[0] == row()
    assert [one["file"] for one in table[1:]] == ["<b>.png", "c.png"]
    assert table.columns == ["file", "class", "p_fear", "p_happiness", "valence", "arousal", "error"]


def test_shown_as_text(table):
    lines = repr(table).splitlines()
    assert lines[0] == "3 predictions of a & b" and len(lines) == 5
    assert lines[1].split() == ["file", "class", "p", "valence", "arousal", "error"]
    assert lines[2].split() == ["a.png", "happiness", "0.75", "+0.12", "-0.50"]
    assert lines[3].endswith("is not a picture") and lines[4].split() == ["c.png", "happiness", "0.75"]
    many = repr(Predictions([row()] * 13, columns(CLASSES))).splitlines()
    assert len(many) == 13 and many[-1] == "... 3 more"
    assert repr(Predictions([], columns(CLASSES), "x")).startswith("0 predictions of x")


def test_shown_in_a_notebook(table):
    page = table._repr_html_()
    assert page.startswith("<table><caption>a &amp; b</caption>") and page.count("<tr>") == 4
    assert "<td>&lt;b&gt;.png</td>" in page and "<b>" not in page and "<td>0.75</td>" in page
    assert Predictions([row()] * 99, columns(CLASSES))._repr_html_().count("<tr>") == 21


def test_saved_as_csv(table, tmp_path):
    table.save(tmp_path / "new" / "t.csv")
    with (tmp_path / "new" / "t.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == table.columns and rows[0]["valence"] == "0.123457" and rows[2]["valence"] == ""
    assert rows[1] == {name: value or "" for name, value in BAD.items()}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["t.csv"]


def test_saved_as_lines_of_json(table, tmp_path):
    table.save(str(tmp_path / "t.jsonl"))
    found = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert found == [rounded(one) for one in table] and found[0]["valence"] == 0.123457


def test_names_of_files_that_are_no_text(tmp_path):
    """A file's name may have bytes that are no UTF-8; they come out as they went in."""
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    Predictions([row(name)], columns(CLASSES)).save(tmp_path / "t.csv")
    assert b"caf\xe9.png" in (tmp_path / "t.csv").read_bytes()


def test_what_cannot_be_saved(table, tmp_path):
    with pytest.raises(UsageError, match=r"t.txt: the ending must be .csv or .jsonl"):
        table.save(tmp_path / "t.txt")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        table.save(tmp_path / "file" / "t.csv")


def test_pandas(table):
    pandas = pytest.importorskip("pandas")
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and list(frame.columns) == table.columns and len(frame) == 3
    assert frame["class"].isna().sum() == 1


def test_pandas_is_given_the_rows_and_is_not_needed(table, monkeypatch):
    made = []
    monkeypatch.setitem(
        sys.modules, "pandas", SimpleNamespace(DataFrame=lambda rows, columns: made.append((rows, columns)))
    )
    table.to_pandas()
    assert made == [(list(table), table.columns)]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="pandas is not installed; pip install pandas, or use save"):
        table.to_pandas()
