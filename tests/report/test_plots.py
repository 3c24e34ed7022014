"""Curves are drawn from the record, one panel for each recogniser."""

import matplotlib.figure
import numpy as np

from fer_jax.report import plots, record


def test_counts_of_examples_are_not_drawn(tmp_path, monkeypatch):
    """They would flatten the accuracies beside them."""
    rows = record.Record(tmp_path, 0)
    for step, accuracy in ((1, 0.2), (2, 0.6)):
        rows.write(step, "eval", {"m_er/accuracy": accuracy, "m_er/examples": 3589.0})
    rows.close()
    figures = []
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", lambda figure, path, **_: figures.append(figure))
    assert [path.name for path in plots.curves(tmp_path)] == ["eval.png"]
    (panel,) = figures[0].axes
    (line,) = panel.lines
    assert panel.get_title() == "m_er" and line.get_label() == "accuracy"
    np.testing.assert_array_equal(line.get_xydata(), [[1, 0.2], [2, 0.6]])


def test_faces_lie_where_they_are_felt():
    """Pure colours, one of them outside of the plane, which is drawn at its edge."""
    colours = np.eye(3)[:, None, None].repeat(8, 1).repeat(8, 2)
    va = np.array([[0.5, 0.5], [-0.5, -0.5], [9.0, -1.0]])
    image = np.asarray(plots.valence_arousal(list(colours), va, ["a", "b", "b"], ["a", "b", "c"])).astype(int)
    middles = []
    for colour in np.eye(3, dtype=int) * 255:
        rows, cols = np.nonzero((image == colour).all(-1))
        assert len(rows) > 500
        middles.append((cols.mean(), rows.mean()))
    (first_x, first_y), (second_x, second_y), (third_x, third_y) = middles
    assert second_x < first_x < third_x and first_y < second_y < third_y
    np.testing.assert_allclose(third_x - first_x, (first_x - second_x) / 2, atol=2)
