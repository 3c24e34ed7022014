"""Drawing faces."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.core.labels import expression_name
from fer_jax.core.protocols import SamplingSystem
from fer_jax.core.state import TrainState
from fer_jax.inference.batches import SIZE, in_batches
from fer_jax.inference.loading import LoadedRun
from fer_jax.inference.runner import Runner


class Sampler:
    """A trained network that draws faces from noise. It is compiled at its first use.

    Attributes:
      run: the run that it is of.
      classes: names of the expressions that it draws by; () where it draws by none.
    """

    def __init__(self, run: LoadedRun):
        """Makes one of a run.

        Raises:
          UsageError: the run's system draws nothing from noise.
        """
        if not isinstance(run.system, SamplingSystem):
            raise UsageError(f"{run.path}: a run of {run.config.system}, which draws no faces from noise")
        self.run, self.classes, self._stream = run, run.system.classes, run.system.sampling_stream

    def labels(self, count: int, expression: str | None = None) -> np.ndarray:
        """Classes (count,) to draw: of an expression, or of all by turns.

        Raises:
          UsageError: it cannot be drawn.
        """
        if self.classes:
            if expression is None:
                return np.arange(count) % len(self.classes)
            names = [expression_name(name) for name in self.classes]
            if expression_name(expression) not in names:
                raise UsageError(f"expression: {expression!r} is not one of {', '.join(self.classes)}")
            return np.full(count, names.index(expression_name(expression)))
        only = self.run.config.data.streams[self._stream].only
        if expression is not None and (only is None or expression_name(only) != expression_name(expression)):
            what = f"of {only} alone" if only else "of all expressions together, and cannot be asked for one"
            raise UsageError(f"expression: {expression!r} cannot be drawn: {self.run.path} is a run {what}")
        return np.zeros(count, int)

    def sample(self, count: int, *, expression: str | None = None, seed: int = 0) -> np.ndarray:
        """New faces (count, S, S, C) uint8; the same seed draws the same faces.

        Args:
          count: how many, above 0.
          expression: by name; None: of all classes by turns.
          seed: of the noise.

        Raises:
          UsageError: the expression cannot be drawn, or the count is not above 0.
        """
        if count < 1:
            raise UsageError(f"sample: {count} faces; give 1 or more")
        drawn = draw(self.run.runner, self.run.state, self.labels(count, expression), seed=seed)
        return np.rint(drawn * 255).astype(np.uint8)


def draw(runner: Runner, state: TrainState, labels: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Images (N, S, S, C) in [0, 1] of classes (N,), from vectors that depend on the seed and the place alone."""
    places = np.arange(len(labels), dtype=np.int32) // SIZE

    def batch(labels: np.ndarray, places: np.ndarray) -> Any:
        return _drawing(runner)(state, np.uint32(seed), places[0], labels)

    return in_batches(batch, labels.astype(np.int32), places)


@functools.lru_cache(maxsize=4)
def _drawing(runner: Runner) -> Callable[..., jax.Array]:
    """(state, seed, number of the batch, classes) -> images; compiled once a run."""
    system = runner.system
    if not isinstance(system, SamplingSystem):
        raise UsageError(f"{type(system).__name__} draws no faces from noise")

    def generate(state: TrainState, seed: jax.Array, batch: jax.Array, labels: jax.Array) -> jax.Array:
        key = jax.random.fold_in(jax.random.key(seed), batch)
        return system.generate(state, key, len(labels), labels)

    return runner.replicate(generate)
