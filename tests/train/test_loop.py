"""Where a run ends: at its last step, or when evaluations no longer get better."""

import pytest

from fer_jax.cli.training import train
from fer_jax.core import schedules as schedule
from fer_jax.core.config import DataConfig, RunConfig, SelectConfig, SystemConfig
from fer_jax.core.errors import UsageError
from tests import micro
from tests.typed import typed


def config_of(run, patience):
    select = SelectConfig(metric="m", patience=patience)
    return SystemConfig(system="x", data=DataConfig(image_size=8), select=select, run=RunConfig(**run))


@pytest.mark.parametrize(
    ("step", "best", "expected"),
    [(19, None, False), (20, None, True), (19, 10, False), (15, 5, True), (14, 5, False), (20, 20, True)],
)
def test_ended(step, best, expected):
    run = {"steps": 20, "epochs": None, "eval_every": 5}
    assert schedule.ended(config_of(run, 2), 7, step, best) == expected
    assert schedule.ended(config_of(run, None), 7, step, best) == (step >= 20)


def test_epochs_and_once_an_epoch():
    config = config_of({"epochs": 4, "min_steps": 20}, 1)
    assert schedule.total_steps(config.run, 7) == 28 and schedule.total_steps(config.run, 2) == 20
    with pytest.raises(UsageError, match="neither steps nor epochs"):
        schedule.total_steps(RunConfig(epochs=None), 7)
    assert not schedule.ended(config, 7, 13, 7) and schedule.ended(config, 7, 14, 7)


def test_a_run_that_gets_no_better_ends_and_stays_ended(data_dir, tmp_path):
    config = micro.micro("emotion_gcn", data_dir, steps=6, eval_every=1, log_every=1).copy_and_resolve_references()
    config.select.patience = 2
    config.optim.lr = 1e-30  # nothing changes but the running statistics; the metric is of its own making
    config.select.metric = "expression/examples"  # the same at every evaluation
    train(typed(config), tmp_path)
    evaluated = [row["step"] for row in micro.rows(tmp_path) if row["kind"] == "eval"]
    assert evaluated == [1, 2, 3]
    train(typed(config), tmp_path)
    assert [row["step"] for row in micro.rows(tmp_path) if row["kind"] == "eval"] == [1, 2, 3]
