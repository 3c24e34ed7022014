"""Config of the action-unit editor; defaults are experiment e8's, but for the data.

The loss weight of the action units and the sampling interval are those of the reference's README and main log, 10 and
1000; its code has 100 and 4000.
"""

import dataclasses
from typing import Literal

from fer_jax.core.config import DataConfig, EditMeasuresConfig, RunConfig, SelectConfig, SystemConfig

Activation = Literal["none", "relu", "lrelu", "lrelu_0.2", "sigmoid", "tanh"]  # of `networks.ACTIVATIONS`
PRESENT = 0.2  # of the largest intensity: 1 of OpenFace's 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Generator and critic, in three families."""

    family: Literal["general", "early", "keras"] = "general"
    """Networks of e7 to e9; or those of e5 and e6; or those of e1 to e4."""
    width: int = 64
    """Channels of the first layer."""
    hidden: int = 1024
    """Width of the critic's heads."""
    layers: int = 5
    """general: halvings of the encoder and the critic."""
    max_width: int = 1024
    """general: largest number of channels."""
    shortcut_layers: int = 1
    """general: connections from the encoder to the decoder."""
    inject_layers: int = 1
    """general: layers of the decoder that get the action units again."""
    norm: Literal["none", "batchnorm", "instancenorm"] = "batchnorm"
    """general: norm of the generator."""
    activation: Activation = "lrelu"
    """general: activation of the encoder."""
    decoder_activation: Activation = "relu"
    """general: activation of the decoder."""
    critic_norm: Literal["none", "instancenorm"] = "instancenorm"
    """general: norm of the critic; the gradient penalty needs every picture scored by itself."""
    critic_activation: Activation = "lrelu"
    """general: activation of the critic."""
    hidden_activation: Activation = "relu"
    """general: activation of the critic's heads."""
    attention: int | None = None
    """general; departure: layer on whose map there is self-attention; None: disabled."""
    mask: bool = False
    """general; departure: the generator also draws how much of the input stays."""
    warp: bool = False
    """general; departure: the generator moves parts of the input, as an expression does with a face."""
    kernels: tuple[int, ...] = (6, 6, 6, 6)
    """early, keras: kernel sizes of the generator."""
    strides: tuple[int, ...] = (3, 2, 2, 2)
    """early, keras: strides of the generator."""
    critic_kernels: tuple[int, ...] = (6, 6, 6, 6)
    """early, keras: kernel sizes of the critic."""
    critic_strides: tuple[int, ...] = (3, 2, 2, 2)
    """early, keras: strides of the critic."""
    scheme: Literal["torch", "xavier_uniform", "xavier_normal"] = "xavier_uniform"
    """early, keras: initialisation; "torch" is PyTorch's default."""
    fixed: bool = False
    """early; departure: no norm over a map of one pixel, which makes the published critics of e5 and e6 constant."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Kinds and weights of the terms."""

    adversarial: Literal["wasserstein_gp", "non_saturating", "bce", "least_squares"] = "wasserstein_gp"
    """Adversarial loss."""
    aus: Literal["bce", "l1", "mse", "log_mae"] = "bce"
    """Loss of the action units."""
    critic_adv: float = 1.0
    """Critic: adversarial term."""
    critic_aus: float = 10.0
    """Critic: action units of pictures (the reference's lambda_cl)."""
    critic_sources: float = 0.0
    """Critic; departure, disabled: it learns the units of a fake's source beside those of pictures, so that an edit
    which leaves traces of what was there is not enough."""
    critic_penalty: float = 10.0
    """Critic: gradient penalty."""
    gen_adv: float = 1.0
    """Generator: adversarial term."""
    gen_aus: float = 10.0
    """Generator: action units of fakes (the reference's lambda_cl)."""
    gen_rec: float = 10.0
    """Generator: reconstruction (the reference's lambda_cyc)."""
    gen_cycle: float = 0.0
    """Generator; departure, disabled: a true cycle."""
    gen_smooth: float = 0.0
    """Generator; departure, disabled: total variation of what is changed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TargetsConfig:
    """Action units that pictures are translated to."""

    kind: Literal["random", "complement", "partial"] = "random"
    """Those of other rows of the batch; or the picture's own with one complemented, for every unit; or, a departure,
    other rows' in a part of the units."""
    draws: int = 1
    """random: rows drawn for each picture."""
    noise: float = 0.0
    """random: half the width of uniform noise on active units. The reference describes 0.1, and never adds it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AusConfig:
    """Labels."""

    threshold: float | None = PRESENT
    """Share of a unit's largest intensity from which on it is present, 1, else 0; None: intensities."""
    of_fakes: bool = False
    """The critic must find the targets in the fakes too."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """The two Adams."""

    lr: float = 2e-4
    """Learning rate of those without one of their own."""
    gen_lr: float | None = None
    """Learning rate of the generator; None: `lr`."""
    critic_lr: float | None = None
    """Learning rate of the critic; None: `lr`."""
    decay_steps: int | None = None
    """Last steps over which the rates fall to 0; None: they stay."""
    b1: float = 0.5
    """Decay of the first moments."""
    b2: float = 0.999
    """Decay of the second moments."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(SystemConfig):
    """The action-unit editor."""

    system: str = "au_cyclegan"
    data: DataConfig = DataConfig(image_size=112, channels=3, batch_size=32)
    """Data sets, splits and batches."""
    select: SelectConfig = SelectConfig(metric="edit/gain")
    """Which checkpoint counts."""
    run: RunConfig = RunConfig(epochs=170, sample_every=1000)
    """Length and reports."""
    model: ModelConfig = ModelConfig()
    """Networks."""
    loss: LossConfig = LossConfig()
    """Kinds and weights of the terms."""
    targets: TargetsConfig = TargetsConfig()
    """Action units that pictures are translated to."""
    aus: AusConfig = AusConfig()
    """Labels."""
    last_only: bool = False
    """The gradient penalty takes the last of a picture's fakes only."""
    gen_every: int = 1
    """Critic updates for each of the generator, within an epoch."""
    optim: OptimConfig = OptimConfig()
    """Optimisers."""
    warm_up: int = 0
    """Departure, disabled: steps at the start in which the critic learns action units alone."""
    critic_noise: float = 0.0
    """Departure, disabled: deviation of noise, behind a slight blur, through which the critic reads action units;
    without, it can be told one by a few pixels that nobody would notice. In real pictures it learns them without noise
    too."""
    difference: float | None = None
    """Departure; None: disabled. The picture is changed by the difference of two drawings, with the target units and
    with its own, so that what is wrong in both does no harm. In use it is taken so many times: generators do less than
    the target, and more than 1 comes nearer."""
    ema_decay: float | None = None
    """Departure, disabled: decay of a moving average of the generator for editing and samples."""
    measures: EditMeasuresConfig = EditMeasuresConfig()
    """What evaluation measures beside the system's own figures."""
