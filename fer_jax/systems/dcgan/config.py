"""Config of DCGAN; defaults are those of the report, of PyTorch's tutorial where it is silent, but for the data."""

import dataclasses
from typing import Literal

from fer_jax.core.config import DataConfig, RunConfig, SampleMeasuresConfig, SelectConfig, SystemConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Generator and discriminator."""

    latent: int = 100
    """Numbers that a picture is drawn from."""
    width: int = 64
    """Channels of the discriminator's first layer."""
    conditional: bool = False
    """Departure, disabled: the network draws by class."""
    embedding: int = 32
    """conditional: numbers that stand for a class in the generator's input."""
    norm: Literal["batch", "spectral"] = "batch"
    """Norm of the discriminator; "spectral" is a departure."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """The two Adams."""

    lr: float = 2e-4
    """Learning rate of those without one of their own."""
    gen_lr: float | None = None
    """Learning rate of the generator; None: `lr`."""
    disc_lr: float | None = None
    """Learning rate of the discriminator; None: `lr`."""
    b1: float = 0.5
    """Decay of the first moments."""
    b2: float = 0.999
    """Decay of the second moments."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(SystemConfig):
    """DCGAN."""

    system: str = "dcgan"
    data: DataConfig = DataConfig(image_size=64, channels=3, batch_size=128)
    """Data sets, splits and batches."""
    select: SelectConfig = SelectConfig(metric="disc/step")
    """Which checkpoint counts: the last one, since no figure of a GAN's own tells which is best."""
    run: RunConfig = RunConfig(epochs=25, sample_every=500, log_every=50)
    """Length and reports."""
    model: ModelConfig = ModelConfig()
    """Networks."""
    augment: tuple[Literal["color", "translation", "cutout"], ...] = ()
    """Departure, disabled: changes of DiffAugment, of real and generated pictures alike."""
    optim: OptimConfig = OptimConfig()
    """Optimisers."""
    ema_decay: float | None = None
    """Departure, disabled: decay of a moving average of the generator for samples, e.g. 0.999."""
    measures: SampleMeasuresConfig = SampleMeasuresConfig()
    """What evaluation measures beside the discriminator's outputs."""
