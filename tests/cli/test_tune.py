"""Studies over the published space: what a trial trains, and how a study is gone on with."""

import json
import sys

import numpy as np
import pytest

from fer_jax.cli import studies, tune
from fer_jax.core.errors import UsageError
from fer_jax.inference.run_folder import CONFIG
from tests.inference.runs import changed
from tests.micro import micro, process
from tests.typed import typed

optuna = pytest.importorskip("optuna")
BUDGET = tune.Budget(epochs=2, pictures=10, validation_pictures=5)
POINT = {"lr": 1e-3, "optimizer": "adam", "weight_decay": 1e-5, "scheduler": "step", "batch_size": 8}


def config_of(data_dir, name="classifier"):
    config = changed(micro(name, data_dir))
    for stream in config.data.streams.values():
        stream.train_view.augment = stream.eval_view.augment = None
    return typed(config)


@pytest.fixture(scope="module")
def objective(data_dir):
    return tune.Objective.of(config_of(data_dir), BUDGET)


def quick(trial):
    """Stands for training: the best is Adam at 1e-3."""
    params = tune.suggest(trial, tune.space(typed(micro("classifier", ""))))
    value = 1 - abs(np.log10(params["lr"]) + 3) / 4 - 0.3 * (params["optimizer"] == "sgd")
    for epoch in range(3):
        trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def opened(folder, **options):
    fields = {"direction": "maximize", "fingerprint": {"space": tune.space(typed(micro("classifier", "")))}, **options}
    return studies.open_study(studies.open_storage("", folder), "tune", **fields)


def test_the_published_space(data_dir):
    small = micro("classifier", data_dir)
    config = typed(changed(small, model__backbone="densenet201"))
    assert tune.space(typed(small))["batch_size"] == [32, 64, 128]
    assert tune.space(config)["batch_size"] == [16, 32]
    assert tune.space(typed(micro("byol", data_dir)))["batch_size"] == [16, 32, 64]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [tune.suggest(study.ask(), tune.space(config)) for _ in range(60)]
    lrs = np.array([point["lr"] for point in drawn])
    assert list(drawn[0]) == ["lr", "optimizer", "weight_decay", "scheduler", "batch_size"]
    assert lrs.min() >= 1e-5 and lrs.max() <= 1e-2 and 0.3 < (lrs < 10**-3.5).mean() < 0.7
    assert max(point["weight_decay"] for point in drawn) <= 1e-4
    for name, choices in (("optimizer", {"adam", "sgd"}), ("scheduler", {"step", "cosine"})):
        assert {point[name] for point in drawn} == choices


def test_a_trial_is_the_configs_training_in_short(objective):
    config, data = objective.at(POINT)
    assert (config.optim.kind, config.optim.lr, config.optim.schedule) == ("adam", 1e-3, "step")
    assert config.optim.decay_epochs == 10 and config.optim.decay == 0.1 and config.optim.momentum == 0
    assert data.config.batch_size == data.plan.batch_size == 8 and config.run.epochs == 2
    assert len(data.tables["face"]["validation"]) == 5 < len(data.tables["face"]["test"])


@pytest.mark.slow
def test_an_epoch_takes_the_first_batches_of_a_shuffled_one(objective, monkeypatch):
    from fer_jax.data.opening import Data

    asked, train = [], Data.train
    monkeypatch.setattr(
        Data, "train", lambda self, first, last: asked.append((first, last)) or train(self, first, last)
    )
    values = list(objective.epochs(POINT))
    assert len(values) == 2 and all(value in (0, 0.2, 0.4, 0.6, 0.8, 1) for value in values)  # accuracies of five
    whole = objective.at(POINT)[1].plan.steps_per_epoch
    assert whole > 2 and asked == [(0, 2), (whole, whole + 2)]  # ceil(10 / 8) of each


@pytest.mark.slow
def test_byols_value_is_its_loss(data_dir):
    objective = tune.Objective.of(config_of(data_dir, "byol"), tune.Budget(1, 8, 8))
    values = list(objective.epochs({**POINT, "scheduler": "cosine", "optimizer": "sgd"}))
    assert len(values) == 1 and all(-1 <= value <= 1 for value in values)


def test_a_broken_loss_ends_a_trial(objective, monkeypatch):
    monkeypatch.setattr(tune.Objective, "epochs", lambda self, params: iter((0.5, float("nan"), 0.9)))
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=1)
    assert study.trials[0].state.name == "PRUNED" and len(study.trials[0].intermediate_values) == 2


def test_a_study_goes_on(tmp_path):
    study = opened(tmp_path)
    studies.search(study, quick, 6, None, "here")
    assert sum(studies.counts(study).values()) == 6
    cut_off = study.ask()  # as a process that is killed leaves it
    cut_off.set_user_attr("workdir", "here")
    elsewhere = study.ask()
    elsewhere.set_user_attr("workdir", "there")
    again = opened(tmp_path)
    assert studies.fail_interrupted(again, "here") == 1
    assert again.trials[6].state.name == "FAIL" and again.trials[7].state.name == "RUNNING"
    studies.search(again, quick, 12, None, "here")
    found = studies.counts(again)
    assert found["COMPLETE"] + found["PRUNED"] == 12 and found["PRUNED"] > 0 and found["FAIL"] == 1
    studies.search(again, quick, 12, None, "here")
    assert sum(studies.counts(again).values()) == 14  # nothing more: it has what is asked
    lrs = [trial.params["lr"] for trial in again.trials if trial.params]
    assert len(set(lrs)) == len(lrs)  # going on does not draw the first trials again


@pytest.mark.slow
def test_the_seed_decides():
    def lrs(**options):
        study = studies.open_study(None, "tune", {}, direction="maximize", **options)  # in memory
        studies.search(study, quick, 4, None, "here")
        return [trial.params["lr"] for trial in study.trials]

    assert lrs() == lrs()
    assert len({tuple(lrs(**options)) for options in ({}, {"seed": 1}, {"worker": 1})}) == 3


def test_what_is_written(tmp_path):
    study = opened(tmp_path)
    studies.search(study, quick, 8, None, "here")
    written = tune.write(study, tmp_path)
    assert [path.name for path in written] == [
        "study.json", "study.csv", "optimization_history.png", "param_importances.png",
    ]  # fmt: skip
    saved = json.loads((tmp_path / "study.json").read_text())["trials"]
    assert len(saved) == 8 and len((tmp_path / "study.csv").read_text().splitlines()) == 9
    best = max((trial for trial in saved if trial["state"] == "COMPLETE"), key=lambda trial: trial["value"])
    text = tune.report(study, "configs/classifier.py:study", {"model.width": 8})
    assert f"best: {best['value']:.4f}, trial {best['number']}" in text and "finished trials: 8" in text
    line = text.splitlines()[-1]
    assert line.startswith("python -m fer_jax.main --config=configs/classifier.py:study --config.model.width=8 ")
    assert f"--config.optim.lr={best['lr']}" in line and f"--config.data.batch_size={best['batch_size']}" in line


def test_too_few_trials_for_figures(tmp_path):
    study = opened(tmp_path)
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    assert [path.name for path in tune.write(study, tmp_path)] == ["study.json", "study.csv"]
    assert "no trial is complete" in tune.report(study, "c", {}) and ", 1 failed" in tune.report(study, "c", {})


def test_another_study_is_refused(data_dir, tmp_path):
    config = micro("classifier", data_dir)
    mine = tune.fingerprint(typed(config), BUDGET)
    opened(tmp_path, fingerprint=mine)
    opened(tmp_path, fingerprint=mine)
    config = changed(config, optim__lr=0.5, data__batch_size=64, run__epochs=7)  # which the trials set
    assert tune.fingerprint(typed(config), BUDGET) == mine
    other = tune.fingerprint(
        typed(changed(config, model__width=8)), tune.Budget(epochs=3, pictures=10, validation_pictures=5)
    )
    with pytest.raises(UsageError, match=r"budget.epochs \(2 there, 3 now\), model.width \(4 there, 8 now\)"):
        opened(tmp_path, fingerprint=other)


def test_one_command_at_a_time(tmp_path):
    with studies.alone(tmp_path / "new"):
        with pytest.raises(UsageError, match="is being tuned in by another process"):
            with studies.alone(tmp_path / "new"):
                pass
    with studies.alone(tmp_path / "new"):
        pass


def test_journal(tmp_path):
    storage = studies.open_storage(str(tmp_path / "study.log"), tmp_path)
    study = studies.open_study(storage, "any", {"a": {"b": 1}}, direction="maximize")
    studies.search(study, quick, 2, None, "here")
    again = studies.open_study(
        studies.open_storage(str(tmp_path / "study.log"), tmp_path), "any", {"a": {"b": 1}}, direction="maximize"
    )
    assert len(again.trials) == 2


def test_mistakes(tmp_path, command, monkeypatch):
    for flags, says in (
        ([], "--config: missing"),
        (["--config=tests/micro.py:tdgan"], "a config of tdgan; this command takes classifier, byol"),
    ):
        with pytest.raises(UsageError, match=says):
            command(tune, f"--workdir={tmp_path / 'a'}", *flags)
    with pytest.raises(UsageError, match="--storage .*: cannot be opened"):
        studies.open_storage("nosuch://x", tmp_path)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"pip install fer_jax\[tune\]"):
        command(tune, f"--workdir={tmp_path / 'a'}", "--config=tests/micro.py:classifier")
    assert not (tmp_path / "a").exists()


def test_command(data_dir, tmp_path, command, capsys):
    budget = ["--trials=1", "--epochs=1", "--pictures=8", "--validation_pictures=8"]
    flags = [f"--workdir={tmp_path}", "--config=tests/micro.py:classifier", f"--config.data.data_dir={data_dir}"]
    command(tune, *flags, *budget)
    assert "finished trials: 1" in capsys.readouterr().out and (tmp_path / "study.csv").exists()
    assert not (tmp_path / CONFIG).exists()  # no run lies there
    with pytest.raises(UsageError, match=r"budget.epochs \(1 there, 2 now\)"):
        command(tune, *flags, *budget, "--epochs=2")


@pytest.mark.slow
def test_two_workers(data_dir, tmp_path):
    import subprocess

    flags = ["--config=tests/micro.py:classifier", f"--config.data.data_dir={data_dir}", f"--workdir={tmp_path}"]
    flags += ["--trials=4", "--epochs=1", "--workers=2"]
    started = process(data_dir, flags, command=(sys.executable, "-m", "fer_jax", "tune"))
    done = subprocess.run(**started, capture_output=True)
    assert done.returncode == 0, done.stderr[-3000:]
    saved = json.loads((tmp_path / "study.json").read_text())["trials"]
    assert sum(trial["state"] in ("COMPLETE", "PRUNED") for trial in saved) in (4, 5)
    assert len({trial["lr"] for trial in saved}) == len(saved)
