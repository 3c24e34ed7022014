"""GANmut: edits a face at a point of a learned space of expressions (d'Apolito et al., CVPR 2021).

python -m fer_jax.main --config=configs/ganmut.py                # the published Gaussian 2-D model on rendered_faces
python -m fer_jax.main --config=configs/ganmut.py:tiny           # minutes on two CPU cores; tiny_linear likewise
python -m fer_jax.main --config=configs/ganmut.py:fer2013        # on FER2013, an hour
python -m fer_jax.main --config=configs/ganmut.py:linear_2d      # and linear_3d, gaussian_2d, gaussian_3d
python -m fer_jax.main --config=configs/ganmut.py:affectnet      # the published run's data
python -m fer_jax.main --config=configs/ganmut.py:training_csv --config.data.streams.face.path=DIR  # its list of files
"""

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "rendered_faces") -> ConfigDict:
    """The config of a variant."""
    return common.choose(variant, _VARIANTS, _published)


def _published() -> ConfigDict:
    """Network and hyper-parameters of the Gaussian 2-D model as the reference's README runs it, but for the data."""
    config = common.get_config()
    config.system = "ganmut"
    config.data.update(image_size=128, channels=3, batch_size=16, evaluate="face")
    config.model = ConfigDict(
        {
            "space": "gaussian",  # or "linear"
            "dimensions": 2,  # or 3
            "width": 64,
            "disc_width": 0,  # 0 = width
            "blocks": 6,
            "stages": 6,  # halvings in the discriminator; pictures' sides are multiples of 2 ** stages
            "warp": False,  # the generator moves parts of the picture; not in the published system
        }
    )
    config.loss = ConfigDict(
        {
            "cls": 2.0,  # the README's for the Gaussian space, 1 for the linear one
            "penalty": 10.0,
            "disc_points": 1.0,
            # The discriminator learns that a fake still shows the class of its source, so that traces of another one
            # are not enough to be seen as it; not in the published system.
            "disc_sources": 0.0,
            "rec": 10.0,
            "strength": 1.0,  # linear
            "gen_points": 1.0,  # linear
            "prediction": 0.5,  # Gaussian
            "gen_smooth": 0.0,  # total variation of what is changed; not in the published system
        }
    )
    config.adversarial = "wasserstein_gp"  # or "non_saturating"; not in the published system
    config.penalty = "gp"  # or "r1", "none"
    config.cycle = "approximate"  # linear: or "original"
    config.n_critic = 5  # updates of the discriminator for each of the generator
    config.random_directions = 5  # linear: so many pictures of a batch go in random directions
    config.point_noise = 0.075  # linear: of the others' points
    # decay: to 0 over the last decay_steps ("linear"), or by 0.1 % in all as the reference's code does ("as_coded").
    config.optim = ConfigDict(
        {
            "lr": 1e-4,
            "gen_lr": 0.0,  # 0 = lr
            "disc_lr": 0.0,
            "b1": 0.5,
            "b2": 0.999,
            "decay": "linear",
            "decay_steps": 100_000,  # 0 = the rate stays
        }
    )
    # True: as the reference's code has it, where that is not what was meant.
    config.as_coded = ConfigDict(
        {
            "covariance": False,  # Gaussian 3-D: neighbouring classes share parameters; its published files need it
            "raw_modes": False,  # Gaussian: classes are shown at their centres before the tanh
            "octant": False,  # linear 3-D: random directions are positive
            "neutral_strength": False,  # linear: neutral as a target has a strength of up to 0.2
        }
    )
    # Not in the published system:
    config.warm_up = 0  # steps at the start in which the discriminator learns classes alone
    config.noise = 0.0  # > 0: deviation of noise, behind a slight blur, through which it looks for classes and points
    config.ema_decay = 0.0  # > 0: moving average of the generator for editing and samples
    # What evaluation looks at beside the system's own figures, see configs/au_cyclegan.py.
    config.measures = ConfigDict({"sources": 24, "pictures": 1000, "judge": "", "inception": "", "form": "torchvision"})
    config.select.metric = "disc/accuracy"
    config.run.update(epochs=0, steps=2_000_000, eval_every=20_000, sample_every=20_000, checkpoint_every=2_000)
    return config


def _stream(config: ConfigDict, source: str, affine: str, **options) -> None:
    face = common.stream(source, ("expression",), options=options)
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
    """As `_published`."""


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
