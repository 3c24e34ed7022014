"""Training with evaluation: the loop, given what evaluates."""

from pathlib import Path
from typing import Any

from fer_jax.core.config import SystemConfig
from fer_jax.evaluation.evaluate import Evaluator
from fer_jax.train import loop


def train(config: SystemConfig, folder: Path) -> dict[str, Any]:
    """Trains to the end in a workdir and returns the test figures, see `fer_jax.train.loop.train`."""
    return loop.train(config, folder, Evaluator)
