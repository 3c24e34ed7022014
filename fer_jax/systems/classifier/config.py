"""Config of the FER2013 classifiers; defaults are the reference's ResNet-18 but for the data and first weights."""

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
    head: Literal["linear", "mlp"] = "linear"
    """One layer, or the two that the reference puts on a BYOL backbone."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Loss; both are departures, disabled."""

    label_smoothing: float = 0.0
    """Share of the probability that a label leaves to all classes alike."""
    votes: float = 0.0
    """Weight of the loss of FER+'s votes, beside the labels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(SystemConfig):
    """A classifier of FER2013's expressions."""

    system: str = "classifier"
    data: DataConfig = DataConfig(image_size=224, channels=3, batch_size=128, eval_batch_size=64)
    """Data sets, splits and batches."""
    select: SelectConfig = SelectConfig(metric="expression/accuracy")
    """Which checkpoint counts."""
    run: RunConfig = RunConfig(epochs=100, sample_every=10**9)
    """Length and reports; a sample sheet, which shows the pictures alone, is drawn at the end."""
    model: ModelConfig = ModelConfig()
    """The network."""
    norm: Literal["none", "imagenet", "faces"] = "none"
    """Mean and deviation that pictures are normalised by: not at all as published, ImageNet's, or 0.5 and 0.25."""
    fine_tune: bool = True
    """False: feature extraction, the backbone's parameters stay."""
    init_from: str | None = None
    """Weights to start from: torchvision's of ImageNet (a file), the workdir of a BYOL run, packed weights (.npz), or
    "shipped", the model in the package, which has the network of `:compact`; None: random ones."""
    loss: LossConfig = LossConfig()
    """Loss."""
    optim: OptimiserConfig = OptimiserConfig()
    """Optimiser and schedule."""
    ema_decay: float | None = None
    """Departure, disabled: decay of a moving average of the weights, for evaluation."""
    tta: Literal["single", "flip", "ten"] = "single"
    """Parts of a picture whose predictions are averaged: the whole; with its mirror image; ten crops."""
