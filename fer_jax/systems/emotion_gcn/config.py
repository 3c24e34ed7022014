"""Config of Emotion-GCN; defaults are the published run's (Antoniadis et al., FG 2021) but for the data."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

from fer_jax.core.config import DataConfig, RunConfig, SelectConfig, SystemConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network."""

    kind: Literal["emotion_gcn", "single_task", "multi_task"] = "emotion_gcn"
    """Heads from a graph network; or a linear one for classes alone; or two linear ones."""
    backbone: Literal["densenet", "bregnext"] = "densenet"
    """Backbone."""
    depths: tuple[int, ...] | None = None
    """Layers of the backbone's blocks; None: DenseNet-121 or BReG-NeXt-50."""
    width: int = 32
    """DenseNet's growth, BReG-NeXt's first width."""
    hidden: int = 512
    """Width of the graph network's hidden layer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphConfig:
    """Edges and node features."""

    correlation: str | None = None
    """A file of `fer-jax adjacency`; None: AffectNet's correlations, which are embedded."""
    glove: str | None = None
    """A file of word vectors, e.g. glove.6B.300d.txt, as published; None: a seeded random stand-in."""
    width: int = 300
    """Numbers a word of the stand-in."""
    seed: int = 0
    """Seed of the stand-in."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Loss."""

    lambda_multi: float = 1.0
    """Weight of valence and arousal beside the classes."""
    ccc: Literal["mixed", "standard"] = "mixed"
    """Concordance with the reference's two divisors, or Lin's."""
    class_counts: Mapping[str, int] | None = None
    """Training pictures of each class, which make class weights; None: all classes weigh the same."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """SGD whose rate falls by a factor."""

    lr: float = 1e-3
    """Learning rate at the start."""
    momentum: float = 0.9
    """Momentum, not Nesterov's."""
    weight_decay: float = 1e-3
    """Weight decay, which is added to the gradient."""
    decay: float = 0.1
    """Factor of the rate."""
    decay_epochs: int = 10
    """Epochs between falls."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(SystemConfig):
    """Emotion-GCN."""

    system: str = "emotion_gcn"
    data: DataConfig = DataConfig(image_size=227, channels=3, batch_size=35, eval_batch_size=35)
    """Data sets, splits and batches."""
    select: SelectConfig = SelectConfig(metric="expression/accuracy", patience=10)
    """Which checkpoint counts."""
    run: RunConfig = RunConfig(epochs=10)
    """Length and reports."""
    model: ModelConfig = ModelConfig()
    """The network."""
    graph: GraphConfig = GraphConfig()
    """Edges and node features."""
    loss: LossConfig = LossConfig()
    """Loss."""
    optim: OptimConfig = OptimConfig()
    """Optimiser."""
    init_from: str | None = None
    """Weights to start from: torchvision's DenseNet-121 of ImageNet, as published; None: random ones."""
