"""Searches the published space of hyper-parameters of a classifier or of BYOL with Optuna (pip install fer_jax[tune]).

fer-jax tune --config=configs/classifier.py:study --workdir=runs/tune --trials=30 --timeout=4800
fer-jax tune --config=configs/byol.py:study --workdir=runs/tune-byol --trials=20
fer-jax tune --config=configs/classifier.py:study --workdir=runs/tune --epochs=10 --workers=2

A classifier's trial gives its accuracy on the first --validation_pictures of the validation split, which is to be high;
BYOL's the mean loss of its last epoch, which is to be low. An epoch is the first --pictures of a shuffled epoch. Trials
that fall behind the median are ended early. The study is kept in --storage: the same command goes on with it, and
trials that were running when it ended are counted as failed. The workdir gets study.json and study.csv with all trials,
param_importances.png and optimization_history.png. On one GPU, let several workers share its memory with
XLA_PYTHON_CLIENT_MEM_FRACTION.

Departures from the reference: seeded; BYOL's loss is the mean of a batch, where the reference divides by the number of
pictures and so favours large batches; the cosine ends with the trial where --epochs is not the published 45.
"""

import contextlib
import dataclasses
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax.cli import common, runs, studies
from fer_jax.core.config import SystemConfig, as_plain, changed
from fer_jax.core.errors import RunFailed, UsageError

SYSTEMS = ("classifier", "byol")
_BATCHES = {"classifier": (32, 64, 128), "byol": (16, 32, 64)}
_SMALL_BATCHES = (16, 32)  # for classifiers other than these
_SMALL_NETWORKS = ("resnet18", "compact")
_PARAMS = ("lr", "optimizer", "weight_decay", "scheduler", "batch_size")


# ---- the space ------------------------------------------------------------------------------------------------------


def space(config: SystemConfig) -> dict[str, Any]:
    """The published space for a config: ranges and choices."""
    model: Any = getattr(config, "model", None)  # both systems' configs have it
    small = config.system == "byol" or model.backbone in _SMALL_NETWORKS
    return {
        "lr": {"low": 1e-5, "high": 1e-2, "log": True},
        "optimizer": ["adam", "sgd"],
        "weight_decay": {"low": 0.0, "high": 1e-4, "log": False},
        "scheduler": ["step", "cosine"],
        "batch_size": list(_BATCHES[config.system] if small else _SMALL_BATCHES),
    }


def suggest(trial: Any, ranges: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's point of the space, in its order."""
    return {
        name: trial.suggest_float(name, **values)
        if isinstance(values, dict)
        else trial.suggest_categorical(name, values)
        for name, values in ranges.items()
    }


def fields_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the config that a point of the space says."""
    return {
        "optim.lr": params["lr"],
        "optim.kind": params["optimizer"],
        "optim.momentum": 0.0,
        "optim.weight_decay": params["weight_decay"],
        "optim.schedule": params["scheduler"],
        "optim.warm_up_epochs": 0.0,
        "optim.decay": 0.1,
        "optim.decay_epochs": 10,
        "data.batch_size": params["batch_size"],
    }


# ---- a trial --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a trial may take: epochs, pictures of each, and pictures that it is judged by."""

    epochs: int = 45
    pictures: int = 3840
    validation_pictures: int = 1280


@dataclasses.dataclass
class Objective:
    """Trains a config at points of the space.

    Attributes:
      data: of the config, opened once for all trials.
    """

    config: SystemConfig
    data: Any
    budget: Budget

    @classmethod
    def of(cls, config: SystemConfig, budget: Budget) -> "Objective":
        """Opens the data. Raises UsageError where it is missing or wrong."""
        from fer_jax.data.opening import open_data
        from fer_jax.train import initial

        initial.check(config)
        data = open_data(config)
        name, count = config.data.evaluate, budget.validation_pictures
        splits = data.tables[name]
        few = splits["validation"].where(np.arange(min(count, len(splits["validation"]))))
        return cls(
            config, dataclasses.replace(data, tables={**data.tables, name: {**splits, "validation": few}}), budget
        )

    def at(self, params: Mapping[str, Any]) -> tuple[Any, Any]:
        """Config and data of a point."""
        length = {"run.epochs": self.budget.epochs, "run.steps": None, "run.min_steps": None}
        own = changed(self.config, {**fields_of(params), **length})
        return own, dataclasses.replace(self.data, config=own.data)

    def __call__(self, trial: Any) -> float:
        """The trial's value after its last epoch; raises TrialPruned when it falls behind."""
        optuna = studies.import_optuna()
        value = float("nan")
        for epoch, value in enumerate(self.epochs(suggest(trial, space(self.config)))):
            trial.report(value, epoch)
            logging.info("trial %d, epoch %d of %d: %.4f", trial.number, epoch + 1, self.budget.epochs, value)
            if trial.should_prune() or not np.isfinite(value):
                raise optuna.TrialPruned
        return value

    def epochs(self, params: Mapping[str, Any]) -> Iterator[float]:
        """Trains at a point; yields the value after each epoch, NaN when the loss is not finite."""
        import jax

        from fer_jax.core.metrics import flatten
        from fer_jax.evaluation.evaluate import Evaluator
        from fer_jax.systems.building import build
        from fer_jax.train import initial
        from fer_jax.train.mesh import Trainer

        config, data = self.at(params)
        data.check_batch(jax.device_count())
        whole = data.plan.steps_per_epoch
        steps = min(-(-self.budget.pictures // config.data.batch_size), whole)
        # Schedules count epochs by the steps that they have here.
        runner = Trainer(build(config, data.spec._replace(steps_per_epoch=steps)), config.seed)
        state = initial.start_from(config, runner)
        step = runner.train_step(runner.system.phase(0))
        try:
            for epoch in range(self.budget.epochs):
                losses = []
                for batch in data.train(epoch * whole, epoch * whole + steps):
                    state, metrics = step(state, runner.to_devices(batch), runner.key)
                    losses.append(metrics["loss" if config.system == "byol" else "loss/expression"])
                    jax.block_until_ready(losses[-3:][0])  # two in flight, as `fer_jax.train.loop` has
                value = float(np.mean(jax.device_get(losses)))
                if config.system != "byol" and np.isfinite(value):
                    figures = Evaluator(runner, data, config).figures(state, "validation")
                    value = flatten(figures)[config.select.metric]
                yield value
        finally:
            jax.clear_caches()  # programs that no other trial uses


# ---- the study ------------------------------------------------------------------------------------------------------


def fingerprint(config: SystemConfig, budget: Budget) -> dict[str, Any]:
    """What must be the same for trials to be compared: flat, field -> value."""
    tuned = fields_of(dict.fromkeys(space(config)))
    machine = ("data_dir", "path", "folder")
    fields = studies.flat({**as_plain(config), "space": space(config), "budget": dataclasses.asdict(budget)})
    return {
        name: value
        for name, value in fields.items()
        if name not in tuned and not name.startswith("run.") and name.rpartition(".")[2] not in machine
    }


def start_workers(count: int, descriptor: int) -> None:
    """Runs this command in `count` processes at once, and waits for them.

    Raises:
      RunFailed: one of them failed.
    """
    command = [sys.executable, "-m", "fer_jax", "tune", *sys.argv[1:]]
    processes = [subprocess.Popen([*command, f"--worker={number}"], pass_fds=(descriptor,)) for number in range(count)]
    try:
        failed = [number for number, process in enumerate(processes) if process.wait()]
    finally:
        for process in processes:
            process.terminate()
    if failed:
        raise RunFailed(f"workers {', '.join(map(str, failed))} failed; their messages are above")


@dataclasses.dataclass(frozen=True)
class Asked:
    """How much is to be searched: finished trials, seconds, processes; and which of them this is, -1 = the first."""

    trials: int
    timeout: float | None
    workers: int = 1
    worker: int = -1


def tune(config: SystemConfig, budget: Budget, asked: Asked, folder: Path, name: str, storage: str = "") -> Any:
    """Goes on with a study, which is returned, until it has the trials that are asked.

    Raises:
      UsageError: bad data or config, or a study of another one.
      RunFailed: a worker failed.
    """
    from fer_jax.cli import runtime
    from fer_jax.data.opening import open_data
    from fer_jax.report import console

    first = asked.worker < 0
    if several := first and asked.workers > 1:
        console.setup(speaks=True)  # without `runtime.start`, which takes the accelerators' memory
    else:
        runtime.start()
    with contextlib.ExitStack() as opened:
        descriptor = opened.enter_context(studies.alone(folder)) if first else -1
        study = studies.open_study(
            studies.open_storage(storage, folder),
            name if storage else "tune",  # in the folder there is one only
            fingerprint(config, budget),
            direction="minimize" if config.system == "byol" else "maximize",
            seed=config.seed,
            worker=max(asked.worker, 0),
        )
        here = str(folder.resolve())
        if first and (failed := studies.fail_interrupted(study, here)):
            logging.info("%d trials were running when the study was interrupted; they count as failed", failed)
        if several:
            open_data(config)  # prepared once for all
            start_workers(asked.workers, descriptor)
        else:
            studies.search(study, Objective.of(config, budget), asked.trials, asked.timeout, here)
    return study


# ---- results --------------------------------------------------------------------------------------------------------


def command_line(name: str, params: Mapping[str, Any], overridden: Mapping[str, Any]) -> str:
    """The command that trains with a point of the space."""
    fields = {**overridden, **fields_of(params)}
    return " ".join(
        [f"python -m fer_jax.main --config={name}", *(shlex.quote(f"--config.{n}={v}") for n, v in fields.items())]
    )


def write(study: Any, folder: Path) -> list[Path]:
    """Writes study.json and study.csv, and what figures the trials are enough for.

    Raises:
      UsageError: they cannot be written.
    """
    trials = study.get_trials(deepcopy=False)
    rows = [
        {
            "number": trial.number,
            "state": trial.state.name,
            "value": trial.value,
            "epochs": len(trial.intermediate_values),
            "seconds": trial.duration.total_seconds() if trial.duration else None,
            **{name: trial.params.get(name) for name in _PARAMS},
        }
        for trial in trials
    ]
    values = [[v if np.isfinite(v) else None for _, v in sorted(t.intermediate_values.items())] for t in trials]
    table = {
        "study": study.study_name,
        "trials": [{**row, "values": own} for row, own in zip(rows, values, strict=True)],
        "fingerprint": study.user_attrs[studies.FINGERPRINT],
    }
    titles = ["number", "state", "value", "epochs", "seconds", *_PARAMS]
    lines = [titles, *(["" if value is None else str(value) for value in row.values()] for row in rows)]
    written = [runs.write(folder, "study", table, lines), folder / "study.csv"]
    return written + figures(study, folder)


def figures(study: Any, folder: Path) -> list[Path]:
    """Draws how the study went and what mattered, where there are trials enough to tell."""
    optuna = studies.import_optuna()
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as plots

    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len({trial.value for trial in complete}) < 2:
        logging.info("no figures: they need two complete trials of different values, there are %d", len(complete))
        return []
    written = []
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    for name, draw in (
        ("optimization_history", lambda: plots.plot_optimization_history(study)),
        ("param_importances", lambda: plots.plot_param_importances(study, evaluator=evaluator)),
    ):
        draw()
        pyplot.savefig(folder / f"{name}.png", dpi=100, bbox_inches="tight")
        written.append(folder / f"{name}.png")
    pyplot.close("all")
    return written


def report(study: Any, name: str, overridden: Mapping[str, Any]) -> str:
    """Lines of text: the counts of trials, the best of them, and the command that trains with it."""
    found = studies.counts(study)
    finished = found["COMPLETE"] + found["PRUNED"]
    text = f"finished trials: {finished} (complete {found['COMPLETE']}, pruned {found['PRUNED']})"
    text += "".join(
        f", {found[state]} {word}" for state, word in (("FAIL", "failed"), ("RUNNING", "running")) if found[state]
    )
    if not found["COMPLETE"]:
        return f"{text}\nno trial is complete; give more --trials, or a longer --timeout"
    best = study.best_trial
    return f"{text}\nbest: {best.value:.4f}, trial {best.number}\n{command_line(name, best.params, overridden)}"


# ---- command --------------------------------------------------------------------------------------------------------


def define_flags() -> None:
    """The flags."""
    common.define_config()
    flags.DEFINE_string("workdir", None, "Folder of the study; default: runs/<config>[-<variant>]-tune.")
    flags.DEFINE_integer("trials", 30, "Finished trials that the study shall have.", lower_bound=1)
    flags.DEFINE_float("timeout", 0.0, "Seconds after which no trial is started; 0 = none.", lower_bound=0.0)
    flags.DEFINE_integer("epochs", Budget.epochs, "Of a trial.", lower_bound=1)
    flags.DEFINE_integer("pictures", Budget.pictures, "Pictures of an epoch.", lower_bound=1)
    flags.DEFINE_integer("validation_pictures", Budget.validation_pictures, "That a trial is judged by.", lower_bound=1)
    flags.DEFINE_string("storage", "", "Database (URL), or file: .log a journal, else SQLite; default: in the workdir.")
    flags.DEFINE_integer("workers", 1, "Processes that run trials of the study at once.", lower_bound=1)
    flags.DEFINE_integer("worker", -1, "Set by this command for each of its processes.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    config = common.config("configs/classifier.py:study")
    if config.system not in SYSTEMS:
        raise UsageError(f"--config: a config of {config.system}; this command takes {', '.join(SYSTEMS)}")
    studies.import_optuna()  # before data is prepared
    from ml_collections import config_flags

    name = config_flags.get_config_filename(given["config"])
    default = common.default_workdir()
    folder = Path(given.workdir) if given.workdir else common.default_workdir("-tune")
    budget = Budget(given.epochs, given.pictures, given.validation_pictures)
    asked = Asked(given.trials, given.timeout or None, given.workers, given.worker)
    study = tune(config, budget, asked, folder, default.name, given.storage)
    if given.worker < 0:
        logging.info("written: %s", ", ".join(map(str, write(study, folder))))
        print(report(study, name, config_flags.get_override_values(given["config"])))
