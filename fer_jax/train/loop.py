"""Training from start, or from where a workdir stands, to the end."""

import contextlib
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from absl import logging

from fer_jax.core import schedules
from fer_jax.core.config import SystemConfig, as_plain
from fer_jax.core.errors import RunFailed, UsageError
from fer_jax.core.metrics import flatten
from fer_jax.core.protocols import LoggedSystem
from fer_jax.core.state import TrainState, parameter_counts
from fer_jax.data.opening import Data, open_data
from fer_jax.inference.run_folder import CONFIG
from fer_jax.report import console, plots, record
from fer_jax.report.console import log_figures
from fer_jax.systems.building import build
from fer_jax.train import initial, workdir
from fer_jax.train.checkpoint import Checkpoints
from fer_jax.train.mesh import Trainer

_IN_FLIGHT = 2  # steps given to the devices before the host waits for the oldest


@runtime_checkable
class Evaluation(Protocol):
    """Evaluates a system while it is trained: `fer_jax.evaluation.evaluate.Evaluator`, which the loop is given."""

    def figures(self, state: TrainState, split: str, *, final: bool = False) -> dict[str, Any]:
        """Figures of a split."""
        ...

    def write(self, folder: Path, split: str, figures: dict[str, Any], about: dict[str, Any]) -> Path:
        """Writes a split's figures."""
        ...

    def write_sample(self, state: TrainState, folder: Path, step: int, *, split: str) -> Path:
        """Writes a sample sheet."""
        ...


@dataclasses.dataclass
class Run:
    """One training run: what is trained, on what, and where it is written."""

    config: SystemConfig
    folder: Path
    data: Data
    runner: Trainer
    evaluator: Evaluation
    checkpoints: Checkpoints
    record: record.Record | None  # host 0's

    @property
    def total_steps(self) -> int:
        """The last step."""
        return schedules.total_steps(self.config.run, self.data.plan.steps_per_epoch)

    def ended(self, step: int) -> bool:
        """Whether the run is at its end after `step`."""
        return schedules.ended(self.config, self.data.plan.steps_per_epoch, step, self.checkpoints.best)

    def write(self, step: int, kind: str, values: dict[str, float]) -> None:
        """Adds a row to the record, on host 0."""
        if self.record:
            self.record.write(step, kind, values)

    def write_log(self) -> None:
        """Draws log.csv from the record, on host 0, for systems that have one."""
        if self.record and isinstance(self.runner.system, LoggedSystem):
            columns = self.runner.system.log_columns
            per_epoch = self.data.plan.steps_per_epoch
            record.write_csv(self.folder / "log.csv", self.folder, columns, "distance/", per_epoch)


def train(
    config: SystemConfig, folder: Path, evaluation: Callable[[Trainer, Data, SystemConfig], Evaluation]
) -> dict[str, Any]:
    """Trains to the end and evaluates the selected checkpoint on the test split; returns its figures.

    Args:
      config: of the run.
      folder: the workdir.
      evaluation: makes what evaluates the system on the run's data.

    Raises:
      UsageError: bad data, config or workdir.
      RunFailed: a loss became NaN or infinite, or the disk is full.
    """
    with workdir.admitted(folder, config):  # before hours of preparing data
        if not (folder / CONFIG).exists():
            initial.check(config)  # likewise; a run that goes on does not need the file
        data = open_data(config)
        data.check_batch(jax.device_count())
        runner = Trainer(build(config, data.spec), config.seed)
    if _speaks():
        workdir.claim(folder, config)
        workdir.write_spec(folder, data.spec)
    with workdir.writing(folder), contextlib.ExitStack() as opened:
        checkpoints = opened.enter_context(contextlib.closing(Checkpoints(folder)))
        state, start = _start(config, runner, checkpoints)
        _describe(config, data, state, start)
        rows = opened.enter_context(contextlib.closing(record.Record(folder, start))) if _speaks() else None
        run = Run(config, folder, data, runner, evaluation(runner, data, config), checkpoints, rows)
        if not run.ended(start):
            state = _steps(run, state, start)
        return _finish(run, state)


def _start(config: SystemConfig, runner: Trainer, checkpoints: Checkpoints) -> tuple[TrainState, int]:
    if (latest := checkpoints.latest) is not None:
        return checkpoints.restore(latest, runner.abstract_state()), latest
    return initial.start_from(config, runner), 0


def _steps(run: Run, state: TrainState, start: int) -> TrainState:
    """The loop: nothing on the host but handing over batches, and a report every `log_every` steps."""
    total, plan = run.total_steps, run.config.run
    batches = run.data.train(start, total)
    clock = console.Clock(start, total, run.config.data.batch_size)
    programs, window, key = {}, [], run.runner.key
    for step in range(start + 1, total + 1):
        waiting = time.monotonic()
        batch = run.runner.to_devices(next(batches))
        clock.waited(time.monotonic() - waiting)
        phase = run.runner.system.phase(step - 1)
        if phase not in programs:
            compiling = time.monotonic()
            programs[phase] = _compile(run, phase, state, batch)
            clock.pause(time.monotonic() - compiling)
        with jax.transfer_guard("disallow"):
            state, metrics = programs[phase](state, batch, key)
        window.append(metrics)
        if len(window) > _IN_FLIGHT:
            jax.block_until_ready(window[-1 - _IN_FLIGHT])
        if step % plan.log_every == 0 or step == total:
            _report(run, step, window, clock)
            window = []
        paused = time.monotonic()
        if _after(run, state, step):
            clock.pause(time.monotonic() - paused)
        if run.ended(step) and step < total:
            logging.info("ended early: no better %s since step %d", run.config.select.metric, run.checkpoints.best)
            break
    return state


def _compile(run: Run, phase: Any, state: TrainState, batch: Any):
    """A phase's one executable: a batch of another shape is an error, not another compilation."""
    begin = time.monotonic()
    lowered = run.runner.train_step(phase).lower(state, batch, run.runner.key)
    traced = time.monotonic()
    compiled = lowered.compile()
    logging.info(
        "step (%s) traced in %.1f s, compiled in %.1f s, %.3g GFLOP",
        phase,
        traced - begin,
        time.monotonic() - traced,
        (compiled.cost_analysis() or {}).get("flops", 0) / 1e9,
    )
    return compiled


def _report(run: Run, step: int, window: list[Any], clock: console.Clock) -> None:
    fetched = jax.device_get(window)
    names = dict.fromkeys(name for metrics in fetched for name in metrics)  # in order; not every phase has all
    values = {name: float(np.mean([metrics[name] for metrics in fetched if name in metrics])) for name in names}
    speed = clock.report(step)
    logging.info("%s", console.line(step, run.total_steps, values, speed))
    run.write(step, "train", {**values, **{f"speed/{k}": v for k, v in speed.items() if k != "eta_seconds"}})
    run.checkpoints.check()
    if broken := record.non_finite(values):
        raise RunFailed(
            f"step {step}: {', '.join(broken)} is not finite; lower config.optim.lr. The last checkpoint is that of "
            f"step {run.checkpoints.latest}"
        )


def _after(run: Run, state: TrainState, step: int) -> bool:
    """What is due after a step: evaluation, sample sheet, checkpoint. Returns whether anything was."""
    plan, last = run.config.run, step == run.total_steps
    per_epoch = run.data.plan.steps_per_epoch

    def due(every: int | None) -> bool:  # None: once an epoch
        return last or step % (every or per_epoch) == 0

    selected = None
    if evaluated := due(plan.eval_every):
        split, metric = run.config.select.split, run.config.select.metric
        figures = run.evaluator.figures(state, split)
        flat = flatten(figures)
        if metric not in flat:
            raise UsageError(f"config.select.metric: {metric!r} is not one of {', '.join(flat)}")
        selected = flat[metric]
        for other in run.config.select.also:  # looked at, not selected by
            found = run.evaluator.figures(state, other)
            flat |= {f"{other}:{name}": value for name, value in flatten(found).items()}
        run.write(step, "eval", flat)
        run.write_log()
        log_figures(f"step {step} (epoch {round(step / per_epoch, 2):g}), {split}", figures)
    if sampled := due(plan.sample_every):
        run.evaluator.write_sample(state, run.folder, step, split="validation")
    if saved := (evaluated or due(plan.checkpoint_every)):
        run.checkpoints.save(state, as_plain(run.config), step, selected)
    return evaluated or sampled or saved


def _finish(run: Run, state: TrainState) -> dict[str, Any]:
    """The selected checkpoint on the test split, its sample sheet, and the curves."""
    run.checkpoints.wait()
    chosen = run.checkpoints.choose()
    if chosen != run.checkpoints.latest:
        state = run.checkpoints.restore(chosen, run.runner.abstract_state())
    figures = run.evaluator.figures(state, "test", final=True)
    sample = run.evaluator.write_sample(state, run.folder, chosen, split="test")
    if _speaks():
        about = {"step": chosen, "selected_on": run.config.select.split, "selected_by": run.config.select.metric}
        run.evaluator.write(run.folder, "test", figures, about)
        plots.curves(run.folder)
        run.write_log()
    log_figures(f"test, with the checkpoint of step {chosen} chosen on {run.config.select.split}", figures)
    for split in run.config.select.also:
        name = f"{split}:{run.config.select.metric}"
        if best := record.highest(run.folder, name) if _speaks() else None:
            logging.info(
                "%s is highest at step %d, %.4f: chosen on the split itself, so optimistic", name, best[1], best[0]
            )
    logging.info("pictures: %s", sample)
    return figures


def _describe(config: SystemConfig, data: Data, state: TrainState, start: int) -> None:
    for name, tables in data.tables.items():
        counts = ", ".join(f"{split} {len(table)}" for split, table in tables.items())
        source = tables["train"].records.builder
        logging.info("%s pictures: %s (%s), in %s", name, source.name, counts, source.data_dir)
    sizes = ", ".join(f"{name} {count:,}" for name, count in parameter_counts(state).items())
    logging.info("parameters: %s; %s", sizes, f"{jax.device_count()} x {jax.devices()[0].device_kind}")
    if config.select.split == "test":
        logging.warning("the checkpoint is chosen ON THE TEST SPLIT, as published: its test figure is optimistic")
    logging.info("going on from step %d" if start else "starting at step %d", start)


def _speaks() -> bool:
    return jax.process_index() == 0
