"""Config of TDGAN; defaults are the published run's (Xie, Hu, Chen, TCSVT 2021, and its code), but for the data."""

import dataclasses

from fer_jax.core.config import DataConfig, SelectConfig, SystemConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Networks."""

    width: int = 32
    """Channels of the first layer of the encoders and discriminators."""
    decoder_width: int | None = None
    """Channels of the decoder's last layer; None: as `width`."""
    noise: int = 256
    """Numbers drawn beside the two codes."""
    blocks: int = 6
    """Residual blocks of the decoder."""
    hidden: int = 1024
    """Width of the recognisers' hidden layer."""
    dropout: float = 0.5
    """Probability with which the recognisers' hidden layer drops a value."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the generator's terms, of the face ("fr") and the expression ("er") branch."""

    adv_fr: float = 0.2
    """Adversarial term: D_FR names the face's person."""
    adv_er: float = 0.8
    """Adversarial term: D_ER names the expression."""
    per_fr: float = 1.0
    """Perceptual term: the generated picture has the face's code."""
    per_er: float = 0.0
    """Perceptual term: the generated picture has the expression's code; the published weight is 0."""
    con_fr: float = 5.0
    """Consistency term: the face, drawn from its own codes."""
    con_er: float = 5.0
    """Consistency term: the expression picture, drawn from its own codes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """The four Adams."""

    lr: float = 1e-4
    """Learning rate of those without one of their own."""
    gen_lr: float | None = None
    """Learning rate of the generator; None: `lr`."""
    er_head_lr: float | None = None
    """Learning rate of M_ER's head; None: `lr`."""
    dis_fr_lr: float | None = None
    """Learning rate of D_FR; None: `lr`."""
    dis_er_lr: float | None = None
    """Learning rate of D_ER; None: `lr`."""
    warm_up_lr: float | None = None
    """Learning rate of all in the warm-up; None: their own."""
    b1: float = 0.9
    """Decay of the first moments."""
    b2: float = 0.999
    """Decay of the second moments."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(SystemConfig):
    """TDGAN."""

    system: str = "tdgan"
    data: DataConfig = DataConfig(image_size=128, channels=1, evaluate="expression")
    """Data sets, splits and batches; the reference works on grey pictures."""
    select: SelectConfig = SelectConfig(metric="m_er/accuracy")
    """Which checkpoint counts; the published run chooses on RAF-DB's test split."""
    model: ModelConfig = ModelConfig()
    """Networks."""
    loss: LossConfig = LossConfig()
    """Weights of the generator's terms."""
    optim: OptimConfig = OptimConfig()
    """Optimisers."""
    d_fr_every: int = 5
    """Steps between updates of D_FR."""
    d_er_every: int = 10
    """Steps between updates of D_ER."""
    restart_counter: bool = True
    """Count these steps from each epoch's start, as the reference does; False suits tiny sets."""
    warm_up: int = 0
    """Departure, disabled: steps at the start without adversary, in which D_ER and M_ER learn to recognise and the
    generator to redraw."""
    m_er_trains_encoder: bool = False
    """Departure, disabled: M_ER's loss also reaches the expression encoder."""
    d_er_fake_class: bool = False
    """Departure, disabled: D_ER learns generated pictures as a further class."""
    ema_decay: float | None = None
    """Departure, disabled: decay of a moving average of the generator for evaluation and samples, e.g. 0.999."""
