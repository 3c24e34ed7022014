"""The matrix of a data set and of the reference's file: the same JSON, no number that is not finite."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import adjacency
from fer_jax.core.errors import UsageError
from fer_jax.data import open_data
from fer_jax.systems.emotion_gcn import correlation, graph

FIXTURES = Path(__file__).parents[1] / "interop" / "fixtures"


def test_of_a_config(tiny_emotion, tmp_path, capsys, command):
    file, picture = tmp_path / "c.json", tmp_path / "new" / "m.png"
    data_dir = tiny_emotion.config.data.data_dir
    with_flags = ["--config=tests/micro.py:emotion_gcn", f"--config.data.data_dir={data_dir}"]
    command(adjacency, *with_flags, f"--out={file}", f"--plot={picture}")
    table = open_data(tiny_emotion.config).tables["face"]["train"]
    classes = table.classes["expression"]
    va = np.stack([table.labels["valence"], table.labels["arousal"]], -1)
    expected = graph.correlation(table.labels["expression"], va, len(classes))
    np.testing.assert_allclose(correlation.read(file, classes), expected, atol=1e-12)
    said = capsys.readouterr().out
    first, second = said.split("\n\n")
    assert first.splitlines()[0].split() == ["correlation", *classes, "valence", "arousal"]
    assert second.splitlines()[0].split() == ["adjacency", *classes, "valence", "arousal"]
    rows = [[float(value) for value in line.split()[1:]] for line in second.splitlines()[1:]]
    np.testing.assert_allclose(rows, graph.adjacency(expected), atol=5.1e-4)
    with Image.open(picture) as image:
        assert image.size == (1200, 550)


class Faces:
    """Stands for opened data: three classes, of which the second has no pictures, and arousal that never varies."""

    class config:
        evaluate = "face"

    class table:
        classes = {"expression": ("a", "b", "c")}
        labels = {
            "expression": np.array([0, 2, 0, 2]),
            "valence": np.array([0.5, -0.5, 1.0, -1.0]),
            "arousal": np.full(4, 0.25),
        }

    tables = {"face": {"train": table}}


def test_empty_classes_and_lonely_nodes_are_zeros():
    classes, matrix = adjacency.of_data(Faces)
    links = graph.adjacency(matrix)
    assert classes == ("a", "b", "c") and np.isfinite(matrix).all() and np.isfinite(links).all()
    for node in (1, 4):
        np.testing.assert_array_equal(matrix[node], np.eye(5)[node])
        np.testing.assert_array_equal(links[node], np.eye(5)[node] / 2)
    assert "nan" not in adjacency.table("links", (*classes, "valence", "arousal"), links)


def test_labels_that_are_missing(tiny):
    with pytest.raises(UsageError, match="config.data.streams.expression.labels: has no valence, arousal"):
        adjacency.of_data(open_data(tiny.config))


def test_of_the_references_file(tmp_path, capsys, command):
    command(adjacency, f"--from={FIXTURES / 'pandas_1_2.pkl'}", f"--out={tmp_path / 'c.json'}")
    matrix = correlation.read(tmp_path / "c.json", ("happiness",))
    np.testing.assert_array_equal(matrix, [[0, 1, 0.25], [0.375, 2, 0.625], [0.75, 3, 1]])
    assert capsys.readouterr().out.startswith("correlation  happiness  valence  arousal\n")


def test_dimensions_come_last(tmp_path, monkeypatch):
    from fer_jax.interop import pandas_pickle

    names = ["Arousal", "Sad", "Valence"]
    frame = pandas_pickle.Frame(names, names, np.arange(9.0).reshape(3, 3))
    monkeypatch.setattr(pandas_pickle, "load_frame", lambda path: frame)
    classes, matrix = adjacency.of_file("any")
    assert classes == ("sadness",)
    np.testing.assert_array_equal(matrix, [[4, 5, 3], [7, 8, 6], [1, 2, 0]])
    for other, says in (
        (frame._replace(columns=names[::-1]), "same names"),
        (frame._replace(values=np.full((3, 3), np.nan)), "finite"),
        (frame._replace(rows=["a", "b", "Valence"], columns=["a", "b", "Valence"]), "no row for arousal"),
    ):
        monkeypatch.setattr(pandas_pickle, "load_frame", lambda path, frame=other: frame)
        with pytest.raises(UsageError, match=says):
            adjacency.of_file("any")


def test_mistakes(tmp_path, command):
    with pytest.raises(UsageError, match="--config or --from"):
        command(adjacency)
    shutil.copy(FIXTURES / "zip.pkl", tmp_path)
    with pytest.raises(UsageError, match="zip.pkl"):
        command(adjacency, f"--from={tmp_path / 'zip.pkl'}")
    with pytest.raises(UsageError, match="cannot be written"):
        command(adjacency, f"--from={FIXTURES / 'pandas_1_2.pkl'}", f"--out={tmp_path / 'none' / 'c.json'}")
