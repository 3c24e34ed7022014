"""Config of BYOL; defaults are the reference's ResNet-18 but for the data and first weights."""

import dataclasses
from typing import Literal

from fer_jax.core.config import DataConfig, OptimiserConfig, RunConfig, SelectConfig, SystemConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network."""

    backbone: Literal["resnet18", "resnet34", "densenet201", "compact"] = "resnet18"
    """Backbone; "compact" is ours, for 48 pixels."""
    depths: tuple[int, ...] | None = None
    """Blocks (DenseNet: layers of the blocks) of each stage; None: as published."""
    width: int | None = None
    """Channels of the first stage (DenseNet: growth); None: as published."""
    hidden: int = 1024
    """Width of the heads' hidden layers."""
    embedding: int = 256
    """Width of projection and prediction."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(SystemConfig):
    """BYOL on faces."""

    system: str = "byol"
    data: DataConfig = DataConfig(image_size=224, channels=3, batch_size=32, eval_batch_size=64)
    """Data sets, splits and batches."""
    select: SelectConfig = SelectConfig(metric="probe/accuracy")
    """Which checkpoint counts."""
    run: RunConfig = RunConfig(epochs=30, sample_every=10**9)
    """Length and reports; a sample sheet is drawn at the end."""
    model: ModelConfig = ModelConfig()
    """The network."""
    norm: Literal["none", "imagenet", "faces"] = "none"
    """Mean and deviation that pictures are normalised by, as in `classifier`."""
    momentum: float = 0.99
    """Share of its old parameters that the moving copy keeps in a step."""
    init_from: str | None = None
    """Weights to start from: torchvision's of ImageNet (a file); None: random ones."""
    optim: OptimiserConfig = OptimiserConfig(schedule="constant")
    """Optimiser and schedule."""
