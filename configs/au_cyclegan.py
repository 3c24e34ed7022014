"""Face editing by action units, experiments e1 to e9 (gtesei/facial_unpaired_i2i_translation_SA_C_CC_GAN).

python -m fer_jax.main --config=configs/au_cyclegan.py             # the published network (e8) on rendered_faces
python -m fer_jax.main --config=configs/au_cyclegan.py:tiny        # minutes on two CPU cores
python -m fer_jax.main --config=configs/au_cyclegan.py:small       # half an hour
python -m fer_jax.main --config=configs/au_cyclegan.py:e5          # e1 to e9: another experiment's networks and losses
python -m fer_jax.main --config=configs/au_cyclegan.py:tiny_e5     # and tiny_e5_fixed, tiny_e8, tiny_e9: to compare
python -m fer_jax.main --config=configs/au_cyclegan.py:emotionet   # the published run: OpenFace's output on EmotioNet
"""

from ml_collections import ConfigDict

from configs import common

_PRESENT = 0.2  # of the largest intensity: 1 of OpenFace's 5


def get_config(variant: str = "rendered_faces") -> ConfigDict:
    """The config of a variant."""
    return common.choose(variant, _VARIANTS, _published)


def _published() -> ConfigDict:
    """Network and hyper-parameters of e8, but for the data.

    lambda_cl and the sampling interval are those of the reference's README and main log, 10 and 1000; its code has 100
    and 4000.
    """
    config = common.get_config()
    config.system = "au_cyclegan"
    config.data.update(image_size=112, channels=3, batch_size=32, evaluate="face")
    config.model = ConfigDict(
        {
            "family": "general",  # e7 to e9; or "early" (e5, e6), "keras" (e1 to e4)
            "width": 64,
            "hidden": 1024,  # of the critic's heads
            # general:
            "layers": 5,
            "max_width": 1024,
            "shortcut_layers": 1,
            "inject_layers": 1,  # so often the decoder gets the AUs again
            "norm": "batchnorm",
            "activation": "lrelu",
            "decoder_activation": "relu",
            "critic_norm": "instancenorm",
            "critic_activation": "lrelu",
            "hidden_activation": "relu",
            "attention": 0,  # n > 0: self-attention on the map of the n-th layer; not in the published system
            "mask": False,  # the generator also says how much of the input stays; not in the published system
            "warp": False,  # it moves parts of the input, as an expression does with a face; likewise
            # early and keras:
            "kernels": (6, 6, 6, 6),
            "strides": (3, 2, 2, 2),
            "critic_kernels": (6, 6, 6, 6),
            "critic_strides": (3, 2, 2, 2),
            "scheme": "xavier_uniform",  # of initialisation
            # early: no norm over a map of one pixel, which makes the published e5 and e6 critics constant
            "fixed": False,
        }
    )
    config.loss = ConfigDict(
        {
            "adversarial": "wasserstein_gp",  # or "non_saturating", "bce", "least_squares"
            "aus": "bce",  # or "l1", "mse", "log_mae"
            "critic_adv": 1.0,
            "critic_aus": 10.0,  # the reference's lambda_cl, here and in gen_aus
            # The critic learns the units of a fake's source beside those of pictures, so that an edit which leaves
            # traces of what was there is not enough; not in the published system.
            "critic_sources": 0.0,
            "critic_penalty": 10.0,
            "gen_adv": 1.0,
            "gen_aus": 10.0,
            "gen_rec": 10.0,  # its lambda_cyc, which weighs the reconstruction
            "gen_cycle": 0.0,  # a true cycle; not in the published system
            "gen_smooth": 0.0,  # total variation of what is changed; not in the published system
        }
    )
    # What pictures are translated to: other rows of the batch, `draws` for each ("random"), or what each picture has
    # but for one AU, for every AU ("complement"), or other rows' in a part of the AUs ("partial"; not in the published
    # system). noise 0.1 is described by the reference's README, and never used.
    config.targets = ConfigDict({"kind": "random", "draws": 1, "noise": 0.0})
    # threshold t > 0: an AU is there, 1, from the share t of its largest intensity on, else 0; t = 0: intensities.
    # of_fakes: the critic must find the targets in the fakes too.
    config.aus = ConfigDict({"threshold": _PRESENT, "of_fakes": False})
    config.last_only = False  # the penalty sees the last of a picture's fakes only
    config.gen_every = 1  # critic updates for each of the generator, within an epoch
    # Rates of 0 are `lr`; decay_steps > 0: they fall to 0 over so many last steps.
    config.optim = ConfigDict({"lr": 2e-4, "gen_lr": 0.0, "critic_lr": 0.0, "decay_steps": 0, "b1": 0.5, "b2": 0.999})
    # Not in the published system:
    config.warm_up = 0  # steps at the start in which the critic learns AUs alone
    # > 0: deviation of noise, behind a slight blur, through which the critic looks for AUs; without, it can be told one
    # by a few pixels that nobody would notice. In real pictures it learns them without noise too.
    config.critic_noise = 0.0
    # > 0: the picture is changed by what lies between two drawings, of the AUs asked and of its own: what is amiss in
    # both does no harm. In use it is taken so many times: generators do less than is asked, more than 1 comes nearer.
    config.difference = 0.0
    config.ema_decay = 0.0  # > 0: moving average of the generator for editing and samples
    # What evaluation looks at beside the system's own figures: so many faces are edited during a run; judge says which
    # emotions are seen in them, a run that recognises them ("" = the package's own, the face judge for rendered faces,
    # else FER2013's); distances are taken of so many pictures, on the features of Inception-v3's weights in a file (""
    # = the judge's) in its "torchvision" or "fid" form.
    config.measures = ConfigDict({"sources": 24, "pictures": 1000, "judge": "", "inception": "", "form": "torchvision"})
    config.select.metric = "edit/gain"
    config.run.update(epochs=170, sample_every=1000)
    return config


def _rendered(config: ConfigDict) -> None:
    face = common.stream("rendered_faces", ("aus",), options={"image_size": config.data.image_size})
    config.data.streams = ConfigDict({"face": face})


# ---- experiments: networks, losses, targets ----


def _keras(config: ConfigDict, *, batch_size: int, draws: int, sample_every: int, gen_every: int) -> None:
    """What e1 to e4 share; their loss weights are 1 but for the generator's, which are 2, 2 and 1."""
    config.data.batch_size = batch_size
    config.model.update(family="keras", hidden=512)
    config.loss.update(adversarial="bce", aus="mse", critic_aus=1.0, gen_adv=2.0, gen_aus=2.0, gen_rec=1.0)
    config.targets.draws = draws
    config.aus.update(threshold=0.0, of_fakes=True)
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
    """As `_published`."""


def _e9(config: ConfigDict) -> None:
    """Intensities. The logged run went on from a trained e8; this one starts anew."""
    config.loss.aus = "l1"
    config.aus.threshold = 0.0


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
    config.aus.threshold = 0.0
    config.select.metric = "reconstruction/psnr"
    config.data.streams = ConfigDict({"face": common.stream("openface", ("aus",), options={"columns": "presence"})})


# ---- small ones ----


def _at_48(config: ConfigDict) -> None:
    """48 pixels and narrow networks, for two CPU cores, trained on faces with action units in any combination."""
    config.data.update(image_size=48, batch_size=16)
    config.model.update(width=24, layers=4, max_width=192, hidden=128)
    config.ema_decay = 0.99
    config.measures.pictures = 400
    config.run.update(epochs=0, log_every=100, sample_every=500)
    _rendered(config)
    free = common.stream("rendered_faces", ("aus",), options={"image_size": 48, "identities": 400, "free": True})
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
    config.aus.threshold = 0.0
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
