"""TDGAN: expression recognition by transferring expressions between faces (Xie, Hu, Chen, TCSVT 2021).

python -m fer_jax.main --config=configs/tdgan.py           # published network on rendered_faces
python -m fer_jax.main --config=configs/tdgan.py:tiny      # minutes on two CPU cores
python -m fer_jax.main --config=configs/tdgan.py:raf_db    # the published run: CASIA-WebFace and RAF-DB
python -m fer_jax.main --config=configs/tdgan.py:fer2013   # AT&T faces and FER2013
"""

from ml_collections import ConfigDict

from fer_jax.core.config import variants
from fer_jax.systems.tdgan.config import Config


def get_config(variant: str = "rendered_faces") -> ConfigDict:
    """The config of a variant."""
    return variants.choose(Config(), variant, _VARIANTS)


def _streams(config: ConfigDict, face: ConfigDict, expression: ConfigDict) -> None:
    size = config.data.image_size
    expression.train_view.update(load_size=size * 9 // 8, crop_kind="random", flip_half=True)  # 144 for 128
    config.data.streams = ConfigDict({"face": face, "expression": expression})


def _rendered(config: ConfigDict, **options) -> None:
    options = {"image_size": config.data.image_size, **options}
    _streams(
        config,
        variants.stream("rendered_faces", ("identity",), identities=20, options=options),
        variants.stream("rendered_faces", ("expression",), options=dict(options)),
    )


def _raf_db(config: ConfigDict) -> None:
    """The published run. Its figure, 81.91 %, is the best epoch on the test set: select.split=test does the same."""
    _streams(
        config,
        variants.stream("casia_webface", ("identity",), identities=20),
        variants.stream("raf_db", ("expression",)),
    )


def _fer2013(config: ConfigDict) -> None:
    """Real pictures that are free to get: 40 people of AT&T, FER2013 expressions (48 x 48 pixels in the original)."""
    config.data.image_size = 48
    _streams(
        config,
        variants.stream("att_faces", ("identity",)),
        variants.stream("fer2013", ("expression",)),
    )


def _tiny(config: ConfigDict) -> None:
    """Same code path; half the width, 48 pixels, minutes on two CPU cores.

    Departures from the published rules, all of them because some thousand steps must do. By those rules M_ER is still
    at chance after some hundred steps and the generator draws the same grey picture for all, so a warm-up comes first:
    M_ER and D_ER learn to recognise, which also trains the expression encoder, and the generator learns to redraw.
    Then the published adversarial and consistency losses, and the perceptual one of the expression, whose published
    weight is 0: the generated picture must have the expression code of the one it was taken from. No dropout and no
    crops, higher rates, equal gaps (each pair of gaps is a program to compile), an average of the generator.
    """
    config.data.batch_size = 16
    config.data.image_size = 48
    config.model.update(width=16, decoder_width=8, noise=16, blocks=2, hidden=256, dropout=0.0)
    config.loss.per_er = 1.0
    config.optim.update(lr=3e-4, warm_up_lr=1e-3)
    config.d_fr_every = config.d_er_every = 5
    config.warm_up = 1400
    config.m_er_trains_encoder = True
    config.ema_decay = 0.99
    config.run.update(epochs=None, steps=1900, log_every=100, eval_every=950, sample_every=950)
    _rendered(config)
    config.data.streams.expression.train_view.update(load_size=None, crop_kind="none")


_VARIANTS = {"rendered_faces": _rendered, "tiny": _tiny, "raf_db": _raf_db, "fer2013": _fer2013}
