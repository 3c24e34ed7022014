"""Config of GANmut; defaults are the Gaussian 2-D model as the reference's README runs it, but for the data."""

import dataclasses
from typing import Literal

from fer_jax.core.config import DataConfig, EditMeasuresConfig, RunConfig, SelectConfig, SystemConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Generator and discriminator."""

    space: Literal["gaussian", "linear"] = "gaussian"
    """Form of the space of expressions."""
    dimensions: Literal[2, 3] = 2
    """Dimensions of the space."""
    width: int = 64
    """Channels of the generator's first layer."""
    disc_width: int | None = None
    """Channels of the discriminator's first layer; None: as `width`."""
    blocks: int = 6
    """Residual blocks of the generator."""
    stages: int = 6
    """Halvings in the discriminator; pictures' sides are multiples of 2 ** stages."""
    warp: bool = False
    """Departure: the generator moves parts of the picture."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the terms (spec, sections 6 and 7)."""

    cls: float = 2.0
    """Classes, both networks': the README's for the Gaussian space; 1 for the linear one."""
    penalty: float = 10.0
    """Discriminator: penalty on its gradient."""
    disc_points: float = 1.0
    """Discriminator: points of fakes."""
    disc_sources: float = 0.0
    """Discriminator; departure, disabled: it learns that a fake still shows the class of its source, so that traces of
    another one are not enough."""
    rec: float = 10.0
    """Generator: the way back."""
    strength: float = 1.0
    """Generator, linear: strength of the expression."""
    gen_points: float = 1.0
    """Generator, linear: points of fakes."""
    prediction: float = 0.5
    """Generator, Gaussian: classes at the centres."""
    gen_smooth: float = 0.0
    """Generator; departure, disabled: total variation of what is changed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """The two Adams."""

    lr: float = 1e-4
    """Learning rate of those without one of their own."""
    gen_lr: float | None = None
    """Learning rate of the generator; None: `lr`."""
    disc_lr: float | None = None
    """Learning rate of the discriminator; None: `lr`."""
    b1: float = 0.5
    """Decay of the first moments."""
    b2: float = 0.999
    """Decay of the second moments."""
    decay: Literal["linear", "as_coded"] = "linear"
    """Rates fall to 0 over the last `decay_steps`, or by 0.1 % in all as the reference's code has it."""
    decay_steps: int | None = 100_000
    """Last steps in which the rates fall; None: they stay."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AsCodedConfig:
    """True: as the reference's code has it, where that is not what was meant."""

    covariance: bool = False
    """Gaussian 3-D: neighbouring classes share parameters; published weights need it."""
    raw_modes: bool = False
    """Gaussian: classes are shown at their centres before the tanh."""
    octant: bool = False
    """Linear 3-D: random directions are positive."""
    neutral_strength: bool = False
    """Linear: neutral as a target has a strength of up to 0.2."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(SystemConfig):
    """GANmut."""

    system: str = "ganmut"
    data: DataConfig = DataConfig(image_size=128, channels=3, batch_size=16)
    """Data sets, splits and batches."""
    select: SelectConfig = SelectConfig(metric="disc/accuracy")
    """Which checkpoint counts."""
    run: RunConfig = RunConfig(
        epochs=None, steps=2_000_000, eval_every=20_000, sample_every=20_000, checkpoint_every=2_000
    )
    """Length and reports."""
    model: ModelConfig = ModelConfig()
    """Networks."""
    loss: LossConfig = LossConfig()
    """Weights of the terms."""
    adversarial: Literal["wasserstein_gp", "non_saturating"] = "wasserstein_gp"
    """Adversarial loss; the second is a departure."""
    penalty: Literal["gp", "r1", "none"] = "gp"
    """Penalty on the discriminator's gradient; all but the first are departures."""
    cycle: Literal["approximate", "original"] = "approximate"
    """Linear: point of the way back."""
    n_critic: int = 5
    """Updates of the discriminator for each of the generator."""
    random_directions: int = 5
    """Linear: pictures of a batch that go in random directions."""
    point_noise: float = 0.075
    """Linear: deviation of the noise on the others' points."""
    optim: OptimConfig = OptimConfig()
    """Optimisers."""
    as_coded: AsCodedConfig = AsCodedConfig()
    """Faults of the reference's code that may be had."""
    warm_up: int = 0
    """Departure, disabled: steps at the start in which the discriminator learns classes alone."""
    noise: float = 0.0
    """Departure, disabled: deviation of noise, behind a slight blur, through which it reads classes and points."""
    ema_decay: float | None = None
    """Departure, disabled: decay of a moving average of the generator for editing and samples."""
    measures: EditMeasuresConfig = EditMeasuresConfig()
    """What evaluation measures beside the system's own figures."""
