"""Figures of whole splits, as a run's end and the command write them."""

import json

import numpy as np

from fer_jax.evaluation import evaluate
from fer_jax.evaluation.evaluate import Evaluator
from fer_jax.inference.loading import open_run
from fer_jax.report import plots
from tests.typed import open_data


def test_every_example_counts_once(tiny_emotion):
    """The last batch is filled up, and what it is filled with is left out."""
    run, data = open_run(tiny_emotion.folder), open_data(tiny_emotion.config)
    table = data.tables["face"]["train"]
    found = evaluate.outputs(run.runner, run.state, data, "train")
    assert len(table) % tiny_emotion.config.data.eval_batch_size
    np.testing.assert_array_equal(found["expression"], table.labels["expression"])
    figures = Evaluator(run.runner, data, run.config).figures(run.state, "train")
    right = (found["logits"].argmax(1) == table.labels["expression"]).mean()
    assert np.isclose(figures["expression"]["accuracy"], right) and figures["expression"]["examples"] == len(table)


def test_what_is_written(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(plots, "confusion", lambda path, matrices, names: drawn.update({path.name: list(matrices)}))
    monkeypatch.setattr(plots, "bars", lambda path, title, series, names, unit: drawn.update({path.name: series}))
    figures = {
        "m_er": {"accuracy": 0.5, "confusion": [[1]]},
        "edit": {
            name: [0.5] for name in ("changed_no_edit_of_units", "changed_of_units", "leak_of_units", "units")
        } | {"leak_no_edit_of_units": [1.0]},
        "intensity": {"shares": [0.0, 1.0], "probability_of": {"fear": [0.25, 0.5], "anger": [0.0, 1.0]}},
    }  # fmt: skip
    path = evaluate.write_figures(tmp_path, "validation", figures, {"step": 3}, ("fear", "anger"))
    assert path == tmp_path / "eval" / "validation.json"
    saved = json.loads(path.read_text())
    assert saved == {"step": 3, "split": "validation", "classes": ["fear", "anger"], **figures}
    assert drawn == {
        "changed_validation.png": {"no edit": [0.5], "edited": [0.5]},
        "leak_validation.png": {"no edit": [1.0], "edited": [0.5]},
        "intensity_validation.png": {"0%": [0.25, 0.0], "100%": [0.5, 1.0]},
        "confusion_validation.png": ["m_er: validation, accuracy 0.500"],
    }
