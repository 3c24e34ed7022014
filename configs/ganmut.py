"""GANmut: edits a face at a point of a learned space of expressions (d'Apolito et al., CVPR 2021).

python -m fer_jax.main --config=configs/ganmut.py                # the published Gaussian 2-D model on rendered_faces
python -m fer_jax.main --config=configs/ganmut.py:tiny           # minutes on two CPU cores; tiny_linear likewise
python -m fer_jax.main --config=configs/ganmut.py:fer2013        # on FER2013, an hour
python -m fer_jax.main --config=configs/ganmut.py:linear_2d      # and linear_3d, gaussian_2d, gaussian_3d
python -m fer_jax.main --config=configs/ganmut.py:affectnet      # the published run's data
python -m fer_jax.main --config=configs/ganmut.py:training_csv --config.data.streams.face.path=DIR  # its list of files
"""

from ml_collections import ConfigDict

from fer_jax.core.config import variants
from fer_jax.systems.ganmut.config import Config


def get_config(variant: str = "rendered_faces") -> ConfigDict:
    """The config of a variant."""
    return variants.choose(Config(), variant, _VARIANTS)


def _stream(config: ConfigDict, source: str, affine: str, **options) -> None:
    face = variants.stream(source, ("expression",), options=options)
    face.train_view.affine = affine
    config.data.streams = ConfigDict({"face": face})


def _rendered(config: ConfigDict) -> None:
    """On rendered faces a judge says whether an edit shows the expression that was asked."""
    _stream(config, "rendered_faces", "bilinear", image_size=config.data.image_size)
    config.select.metric = "emotion/accuracy"


def _linear(config: ConfigDict) -> None:
    config.model.space = "linear"
    config.loss.cls = 1.0


def _gaussian(config: ConfigDict) -> None:
    """The published config."""


def _of(space, dimensions: int):
    def variant(config: ConfigDict) -> None:
        space(config)
        config.model.dimensions = dimensions
        _rendered(config)

    return variant


def _affectnet(config: ConfigDict) -> None:
    _stream(config, "affectnet", "bilinear", size=config.data.image_size)


def _training_csv(config: ConfigDict) -> None:
    """The reference's own folder: training.csv, and the pictures in imgs/. Set data.streams.face.path to it."""
    _stream(config, "ganmut_csv", "bilinear", folder="imgs")


# ---- small ones ----


def _tiny(config: ConfigDict) -> None:
    """Same code path; 48 pixels, narrow networks, minutes on two CPU cores.

    Departures, since some thousand steps must do, in which the published rules move no expression: the discriminator
    learns the classes first, and looks for them through noise; a non-saturating loss; as many updates of the generator;
    higher rates; a generator that moves parts of the picture, and an average of it.
    """
    config.data.update(image_size=48, batch_size=16)
    config.model.update(width=16, disc_width=24, blocks=1, stages=4, warp=True)
    config.adversarial, config.penalty = "non_saturating", "none"
    config.loss.update(prediction=5.0, gen_smooth=1.0)
    config.warm_up, config.noise = 2000, 0.05
    config.n_critic = 1
    config.optim.update(lr=1e-3, decay_steps=1000)
    config.ema_decay = 0.99
    # Nothing is drawn before the end but checkpoints: an evaluation costs as much as a hundred steps.
    config.run.update(steps=3500, log_every=100, eval_every=3500, sample_every=3500, checkpoint_every=500)
    _rendered(config)


def _tiny_linear(config: ConfigDict) -> None:
    """The linear space needs more steps than the Gaussian one."""
    _linear(config)
    _tiny(config)
    config.loss.cls = 5.0
    config.warm_up = 2500
    config.run.update(steps=4500, eval_every=4500, sample_every=4500)


def _fer2013(config: ConfigDict) -> None:
    """`:tiny_linear` on FER2013, for the faces that classifiers are trained with; an hour on one CPU core.

    The Gaussian space asks for every class equally often, and the discriminator hardly sees one as rare as disgust:
    nothing moves in as many steps. The linear space's targets are as frequent as the classes. The classifier that
    ships says whether an edit shows the expression that was asked: it saw the training pictures, of which no edit is
    judged.
    """
    _tiny_linear(config)
    config.data.channels = 1
    config.model.update(disc_width=32, blocks=2)
    config.loss.update(cls=2.0, rec=5.0)  # a heavier class makes traces that a classifier reads and nobody else
    config.optim.decay_steps = 2000
    config.warm_up = 6000
    config.run.update(steps=13_500, eval_every=1500, sample_every=1500)
    _stream(config, "fer2013", "bilinear")


_VARIANTS = {
    "rendered_faces": _rendered,
    "tiny": _tiny,
    "tiny_linear": _tiny_linear,
    "fer2013": _fer2013,
    "linear_2d": _of(_linear, 2),
    "linear_3d": _of(_linear, 3),
    "gaussian_2d": _of(_gaussian, 2),
    "gaussian_3d": _of(_gaussian, 3),
    "affectnet": _affectnet,
    "training_csv": _training_csv,
}
