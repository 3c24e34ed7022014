"""`--mode=eval` and `--mode=sample`: a workdir's checkpoint on a split."""

from pathlib import Path

from absl import logging

from fer_jax import systems
from fer_jax.data import open_data
from fer_jax.evaluation import evaluate as evaluation
from fer_jax.train import workdir
from fer_jax.train.checkpoint import Checkpoints
from fer_jax.train.mesh import Runner


def evaluate_workdir(config, folder: Path, *, step: int | None, split: str, mode: str) -> None:
    """Evaluates or samples the checkpoint of `step`; without a step the selected one, else the newest.

    Raises:
      UsageError: no such workdir or checkpoint, or it is another config's.
      RunFailed: the disk is full.
    """
    import jax

    workdir.check(folder, config)
    data = open_data(config, training=mode == "sample")
    data.check_batch(jax.device_count())
    runner = Runner(systems.build(config, data.spec), config.seed)
    checkpoints = Checkpoints(folder, read_only=True)
    chosen = checkpoints.choose(step)
    state = checkpoints.restore(chosen, runner.abstract_state())
    with workdir.writing(folder):
        if mode == "sample":
            rows = config.run.sample_rows
            path = evaluation.write_sample(runner, state, data, folder, chosen, split=split, rows=rows)
            logging.info("pictures: %s", path)
            return
        figures = evaluation.evaluate(runner, state, data, split, config, final=True)
        evaluation.log_figures(f"{split}, checkpoint of step {chosen}", figures)
        if jax.process_index() == 0:
            about = {"step": chosen, "selected_on": config.select.split, "selected_by": config.select.metric}
            path = evaluation.write_evaluation(folder, split, figures, about, data)
            logging.info("written: %s", path)
