"""Face editing by action units, experiments e1 to e9 (gtesei/facial_unpaired_i2i_translation_SA_C_CC_GAN).

python -m fer_jax.main --config=configs/au_cyclegan.py             # the published network (e8) on rendered_faces
python -m fer_jax.main --config=configs/au_cyclegan.py:tiny        # minutes on two CPU cores
python -m fer_jax.main --config=configs/au_cyclegan.py:small       # half an hour
python -m fer_jax.main --config=configs/au_cyclegan.py:e5          # e1 to e9: another experiment's networks and losses
python -m fer_jax.main --config=configs/au_cyclegan.py:tiny_e5     # and tiny_e5_fixed, tiny_e8, tiny_e9: to compare
python -m fer_jax.main --config=configs/au_cyclegan.py:emotionet   # the published run: OpenFace's output on EmotioNet
"""

from ml_collections import ConfigDict

from fer_jax.core.config import variants
from fer_jax.systems.au_cyclegan.config import Config


def get_config(variant: str = "rendered_faces") -> ConfigDict:
    """The config of a variant."""
    return variants.choose(Config(), variant, _VARIANTS)


def _rendered(config: ConfigDict) -> None:
    face = variants.stream("rendered_faces", ("aus",), options={"image_size": config.data.image_size})
    config.data.streams = ConfigDict({"face": face})


# ---- experiments: networks, losses, targets ----


def _keras(config: ConfigDict, *, batch_size: int, draws: int, sample_every: int, gen_every: int) -> None:
    """What e1 to e4 share; their loss weights are 1 but for the generator's, which are 2, 2 and 1."""
    config.data.batch_size = batch_size
    config.model.update(family="keras", hidden=512)
    config.loss.update(adversarial="bce", aus="mse", critic_aus=1.0, gen_adv=2.0, gen_aus=2.0, gen_rec=1.0)
    config.targets.draws = draws
    config.aus.update(threshold=None, of_fakes=True)
    config.gen_every = gen_every
    config.run.sample_every = sample_every


def _e1(config: ConfigDict) -> None:
    """Of e1 and e2 the reference keeps one version, e2's; its README says how the initialisation differed."""
    _e2(config)
    config.model.scheme = "xavier_normal"


def _e2(config: ConfigDict) -> None:
    _keras(config, batch_size=32, draws=1, sample_every=200, gen_every=5)


def _e3(config: ConfigDict) -> None:
    _keras(config, batch_size=64, draws=10, sample_every=1000, gen_every=1)
    config.loss.update(adversarial="least_squares", gen_adv=1.0, gen_aus=1.0)


def _e4(config: ConfigDict) -> None:
    _keras(config, batch_size=64, draws=10, sample_every=1000, gen_every=5)
    config.loss.aus = "log_mae"


def _e5(config: ConfigDict) -> None:
    config.model.update(family="early", hidden=512)
    config.targets.kind = "complement"
    config.last_only = True


def _e6(config: ConfigDict) -> None:
    config.model.update(family="early", hidden=512, scheme="torch", kernels=(4, 4, 4, 4), strides=(2, 2, 2, 2))
    config.loss.update(critic_aus=100.0, gen_aus=100.0)


def _e7(config: ConfigDict) -> None:
    config.model.inject_layers = 0


def _e8(config: ConfigDict) -> None:
    """The published config."""


def _e9(config: ConfigDict) -> None:
    """Intensities. The logged run went on from a trained e8; this one starts anew."""
    config.loss.aus = "l1"
    config.aus.threshold = None


_EXPERIMENTS = {
    "e1": _e1,
    "e2": _e2,
    "e3": _e3,
    "e4": _e4,
    "e5": _e5,
    "e6": _e6,
    "e7": _e7,
    "e8": _e8,
    "e9": _e9,
}


def _on_rendered_faces(experiment):
    def variant(config: ConfigDict) -> None:
        experiment(config)
        _rendered(config)

    return variant


def _emotionet(config: ConfigDict) -> None:
    """The published run; presence labels as OpenFace gives them.

    What an edit of a real face should look like nobody knows: the checkpoint is chosen by reconstruction.
    """
    config.aus.threshold = None
    config.select.metric = "reconstruction/psnr"
    config.data.streams = ConfigDict({"face": variants.stream("openface", ("aus",), options={"columns": "presence"})})


# ---- small ones ----


def _at_48(config: ConfigDict) -> None:
    """48 pixels and narrow networks, for two CPU cores, trained on faces with action units in any combination."""
    config.data.update(image_size=48, batch_size=16)
    config.model.update(width=24, layers=4, max_width=192, hidden=128)
    config.ema_decay = 0.99
    config.measures.pictures = 400
    config.run.update(epochs=None, log_every=100, sample_every=500)
    _rendered(config)
    free = variants.stream("rendered_faces", ("aus",), options={"image_size": 48, "identities": 400, "free": True})
    config.data.streams.free = free


def _tiny(config: ConfigDict) -> None:
    """What moves the action units that are asked within minutes.

    Departures from e8, since some thousand steps must do, in which its critic learns neither units nor fakes: the
    critic learns the units first, looks for them through noise, and learns what a fake's source showed too; a
    non-saturating loss; intensities instead of presence; a generator that moves parts of the picture and says what of
    it stays, with connections at every size; edits by the difference of two drawings.
    """
    _at_48(config)
    config.model.update(warp=True, shortcut_layers=3, inject_layers=3)
    config.loss.update(adversarial="non_saturating", critic_aus=4.0, critic_sources=4.0, gen_aus=90.0, gen_smooth=1.0)
    config.aus.threshold = None
    config.optim.update(lr=1e-3, decay_steps=1000)
    config.warm_up = 2000
    config.critic_noise = 0.05
    config.difference = 1.2
    config.run.update(steps=3500, eval_every=3500, sample_every=3500)  # nothing is drawn before


def _small(config: ConfigDict) -> None:
    """`:tiny` with more steps: half an hour."""
    _tiny(config)
    config.optim.decay_steps = 2500
    config.run.update(steps=7000, eval_every=1750, sample_every=1750)


def _small_of(experiment, *, fixed: bool = False):
    """An experiment with its own rules, as small as `:tiny`."""

    def variant(config: ConfigDict) -> None:
        experiment(config)
        _at_48(config)
        # Kernels that take 48 pixels to a map of one, as the published ones take 112.
        small = {"kernels": (6, 5, 6), "strides": (3, 2, 2)}
        config.model.update(fixed=fixed, **small, **{f"critic_{name}": value for name, value in small.items()})
        config.run.update(steps=800, eval_every=400)
        if config.targets.kind == "complement":  # 17 fakes of each picture: fewer pictures, and fewer steps
            config.data.batch_size = 2
            config.run.update(steps=400, eval_every=200)

    return variant


_VARIANTS = {
    "rendered_faces": _rendered,
    "tiny": _tiny,
    "small": _small,
    "emotionet": _emotionet,
    **{name: _on_rendered_faces(experiment) for name, experiment in _EXPERIMENTS.items()},
    "tiny_e5": _small_of(_e5),
    "tiny_e5_fixed": _small_of(_e5, fixed=True),
    "tiny_e8": _small_of(_e8),
    "tiny_e9": _small_of(_e9),
}
