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
