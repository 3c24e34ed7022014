"""Folds share no subject, finished ones are not repeated, and the table says what the folds' files say."""

import csv
import json

import numpy as np
import pytest

from fer_jax.cli import cross_validate, runs, training
from fer_jax.core.config import as_plain, changed
from fer_jax.core.errors import UsageError
from fer_jax.inference import run_folder
from fer_jax.report import record
from fer_jax.train import workdir
from tests.typed import typed


def test_folds_share_no_subject(tiny, tmp_path):
    folds = cross_validate.open_folds(tiny.config, 3, tmp_path)
    subjects = [subject for fold in folds for subject in fold.subjects]
    assert sorted(subjects) == list(range(6)) and sum(fold.pictures for fold in folds) == 42
    assert [fold.config.data.fold for fold in folds] == [0, 1, 2] and tiny.config.data.folds is None
    assert [fold.folder.name for fold in folds] == ["fold_0", "fold_1", "fold_2"]


@pytest.mark.parametrize(("count", "expected"), [(1, "at least 2"), (7, "6 subjects cannot be cut into 7")])
def test_bad_counts(tiny, tmp_path, count, expected):
    with pytest.raises(UsageError, match=expected):
        cross_validate.open_folds(tiny.config, count, tmp_path)


class Trainer:
    """Stands for `training.train`: leaves what it leaves of a run of one step, with figures told apart by the fold."""

    def __init__(self, tiny):
        self.tiny = tiny
        self.trained = []

    def __call__(self, config, folder):
        from fer_jax.train.checkpoint import Checkpoints

        fold = config.data.fold
        self.trained.append(fold)
        workdir.claim(folder, config)
        workdir.write_spec(folder, run_folder.read_spec(self.tiny.folder))
        checkpoints = Checkpoints(folder)
        checkpoints.save(self.tiny.state, as_plain(config), 1, 0.5)
        checkpoints.close()
        (folder / "eval").mkdir(exist_ok=True)
        figures = {"accuracy": 0.5 + fold / 4, "macro_f1": 0.25, "examples": 14, "confusion": [[1]]}
        saved = {"step": 1, "selected_on": "validation", "split": "test", "classes": ["a"], "m_er": figures}
        (folder / "eval" / "test.json").write_text(json.dumps(saved))


def test_table(tiny, tmp_path, monkeypatch):
    trainer = Trainer(tiny)
    monkeypatch.setattr(training, "train", trainer)
    table = cross_validate.cross_validate(tiny.config, 2, tmp_path)
    assert trainer.trained == [0, 1]
    assert [row["m_er/accuracy"] for row in table["folds"]] == [0.5, 0.75]
    assert table["mean"]["m_er/accuracy"] == 0.625 and table["std"]["m_er/accuracy"] == pytest.approx(0.125 * 2**0.5)
    assert table["mean"]["pictures"] == 21 and "m_er/examples" not in table["mean"]
    runs.write(tmp_path, "cross_validation", table, cross_validate.lines(table))
    assert json.loads((tmp_path / "cross_validation.json").read_text()) == table
    with (tmp_path / "cross_validation.csv").open() as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["fold", "pictures", "subjects", "m_er/accuracy", "m_er/macro_f1"]
    assert rows[2] == ["1", "21", "3", "0.7500", "0.2500"]
    assert rows[3] == ["mean", "21.0000", "3.0000", "0.6250", "0.2500"]

    # Again: nothing is repeated but what is not finished.
    (tmp_path / "fold_1" / "eval" / "test.json").unlink()
    assert cross_validate.cross_validate(tiny.config, 2, tmp_path) == table
    assert trainer.trained == [0, 1, 1]
    longer = changed(tiny.config, {"run.steps": 2})
    assert runs.result(cross_validate.open_folds(longer, 2, tmp_path)[0].config, tmp_path / "fold_0") is None
    other = changed(tiny.config, {"optim.lr": 1.0})
    with pytest.raises(UsageError, match="optim.lr"):
        cross_validate.cross_validate(other, 2, tmp_path)


def test_the_best_evaluation_of_a_scored_split(tiny, tmp_path):
    """Beside the chosen checkpoint's figures, which stay as they are."""
    config = changed(tiny.config, {"select.also": ("test",)})
    Trainer(tiny)(config, tmp_path)
    log = record.Record(tmp_path, 0)
    for step, value in ((1, 0.5), (2, 0.875), (3, 0.75)):
        log.write(step, "eval", {f"test:{config.select.metric}": value, config.select.metric: 1.0})
    log.close()
    figures = runs.result(config, tmp_path)
    assert figures == {"m_er/accuracy": 0.5, "m_er/macro_f1": 0.25, f"best test:{config.select.metric}": 0.875}


@pytest.mark.slow
def test_two_real_folds(tiny_config, tmp_path):
    config = tiny_config()
    config.data.streams.face.identities = 2  # three people train, one of them chooses the checkpoint
    table = cross_validate.cross_validate(typed(config), 2, tmp_path)
    for row in table["folds"]:
        saved = json.loads((tmp_path / f"fold_{row['fold']}" / "eval" / "test.json").read_text())
        assert saved["m_er"]["accuracy"] == row["m_er/accuracy"] and saved["m_er"]["examples"] == row["pictures"]
    assert np.isfinite(table["std"]["d_er/cross_entropy"])
