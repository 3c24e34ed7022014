"""A run's checkpoint, evaluated and sampled."""

from pathlib import Path

import jax
from absl import logging

from fer_jax.core.config import SystemConfig
from fer_jax.core.state import TrainState
from fer_jax.data.opening import open_data
from fer_jax.evaluation.evaluate import Evaluator
from fer_jax.inference.checkpoints import SavedCheckpoints
from fer_jax.inference.run_folder import check
from fer_jax.inference.runner import Runner
from fer_jax.report.console import log_figures
from fer_jax.systems.building import build
from fer_jax.train import workdir


def evaluate_run(config: SystemConfig, folder: Path, *, step: int | None, split: str) -> None:
    """Evaluates the checkpoint of `step`, without a step the selected one, else the newest, on a split.

    Raises:
      UsageError: no such workdir or checkpoint, or it is another config's.
      RunFailed: the disk is full.
    """
    evaluator, state, chosen = _opened(config, folder, step, training=False)
    with workdir.writing(folder):
        figures = evaluator.figures(state, split, final=True)
        log_figures(f"{split}, checkpoint of step {chosen}", figures)
        if jax.process_index() == 0:
            about = {"step": chosen, "selected_on": config.select.split, "selected_by": config.select.metric}
            logging.info("written: %s", evaluator.write(folder, split, figures, about))


def sample_run(config: SystemConfig, folder: Path, *, step: int | None, split: str) -> None:
    """Writes the sample sheet of a checkpoint, as `evaluate_run` chooses it.

    Raises:
      UsageError: as `evaluate_run` does.
      RunFailed: the disk is full.
    """
    evaluator, state, chosen = _opened(config, folder, step, training=True)
    with workdir.writing(folder):
        logging.info("pictures: %s", evaluator.write_sample(state, folder, chosen, split=split))


def _opened(
    config: SystemConfig, folder: Path, step: int | None, *, training: bool
) -> tuple[Evaluator, TrainState, int]:
    check(folder, config)
    data = open_data(config, training=training)
    data.check_batch(jax.device_count())
    runner = Runner(build(config, data.spec, training=False), config.seed)
    saved = SavedCheckpoints(folder)
    chosen = saved.choose(step)
    return Evaluator(runner, data, config), saved.restore(chosen, runner.abstract_state()), chosen
