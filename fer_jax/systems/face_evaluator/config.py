"""Config of the face evaluator (ours)."""

import dataclasses

from fer_jax.core.config import DataConfig, RunConfig, SelectConfig, SystemConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network, a DenseNet with three heads."""

    depths: tuple[int, ...] = (4, 6, 6)
    """Layers of the blocks."""
    width: int = 16
    """Growth."""
    embedding: int = 64
    """Numbers of the identity embedding."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the terms."""

    aus: float = 4.0
    """Action units: the mean over them, most of which are absent, so small beside the others."""
    expression: float = 0.5
    """Expression."""
    identity: float = 0.5
    """Identity."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Adam with two rates."""

    lr: float = 2e-4
    """Learning rate."""
    first_lr: float | None = 2e-3
    """Learning rate of the first steps; None: `lr`."""
    first_steps: int = 5000
    """Number of the first steps."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(SystemConfig):
    """The face evaluator."""

    system: str = "face_evaluator"
    data: DataConfig = DataConfig(image_size=64, channels=3, batch_size=16, eval_batch_size=80)
    """Data sets, splits and batches."""
    select: SelectConfig = SelectConfig(metric="aus/ccc")
    """Which checkpoint counts."""
    run: RunConfig = RunConfig()
    """Length and reports."""
    model: ModelConfig = ModelConfig()
    """The network."""
    loss: LossConfig = LossConfig()
    """Weights of the terms."""
    optim: OptimConfig = OptimConfig()
    """Optimiser."""
    ema_decay: float | None = 0.998
    """Decay of the moving average of the weights, for evaluation."""
    people: int = 700
    """Vectors of the gallery, one for each identity number."""
