"""The matrix of a data set: the same JSON, no number that is not finite."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import adjacency
from fer_jax.core.errors import UsageError
from fer_jax.data.opening import Data
from fer_jax.systems.emotion_gcn import correlation, graph
from tests.typed import open_data


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
    printed = capsys.readouterr().out
    first, second = printed.split("\n\n")
    assert first.splitlines()[0].split() == ["correlation", *classes, "valence", "arousal"]
    assert second.splitlines()[0].split() == ["adjacency", *classes, "valence", "arousal"]
    rows = [[float(value) for value in line.split()[1:]] for line in second.splitlines()[1:]]
    np.testing.assert_allclose(rows, graph.adjacency(expected), atol=5.1e-4)
    with Image.open(picture) as image:
        assert image.size == (1200, 550)


def faces():
    """Stands for opened data: three classes, of which the second has no pictures, and arousal that never varies."""
    labels = {
        "expression": np.array([0, 2, 0, 2]),
        "valence": np.array([0.5, -0.5, 1.0, -1.0]),
        "arousal": np.full(4, 0.25),
    }
    table = SimpleNamespace(classes={"expression": ("a", "b", "c")}, labels=labels)
    data = object.__new__(Data)
    vars(data).update(config=SimpleNamespace(evaluate="face"), tables={"face": {"train": table}})
    return data


def test_empty_classes_and_lonely_nodes_are_zeros():
    classes, matrix = correlation.of_data(faces())
    links = graph.adjacency(matrix)
    assert classes == ("a", "b", "c") and np.isfinite(matrix).all() and np.isfinite(links).all()
    for node in (1, 4):
        np.testing.assert_array_equal(matrix[node], np.eye(5)[node])
        np.testing.assert_array_equal(links[node], np.eye(5)[node] / 2)
    assert "nan" not in adjacency.table("links", (*classes, "valence", "arousal"), links)


def test_labels_that_are_missing(tiny):
    with pytest.raises(UsageError, match="config.data.streams.expression.labels: has no valence, arousal"):
        correlation.of_data(open_data(tiny.config))


def test_mistakes(tiny_emotion, tmp_path, command):
    with pytest.raises(UsageError, match="--config: missing"):
        command(adjacency)
    data = f"--config.data.data_dir={tiny_emotion.config.data.data_dir}"
    with pytest.raises(UsageError, match="cannot be written"):
        command(adjacency, "--config=tests/micro.py:emotion_gcn", data, f"--out={tmp_path / 'none' / 'c.json'}")
