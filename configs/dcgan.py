"""DCGAN: draws faces from noise, all at once or one expression at a time (Radford, Metz, Chintala, ICLR 2016).

python -m fer_jax.main --config=configs/dcgan.py                 # the published network, 64 x 64, on rendered_faces
python -m fer_jax.main --config=configs/dcgan.py:tiny            # minutes on two CPU cores
python -m fer_jax.main --config=configs/dcgan.py:conditional     # one network for all expressions
python -m fer_jax.main --config=configs/dcgan.py:celeba --config.data.streams.face.path=DIR
python -m fer_jax.main --config=configs/dcgan.py:fer2013 --config.data.streams.face.only=happiness  # 48 x 48, grey
python -m fer_jax.main --config=configs/dcgan.py:fer2013_conditional
"""

from ml_collections import ConfigDict

from fer_jax.core.config import variants
from fer_jax.systems.dcgan.config import Config


def get_config(variant: str = "rendered_faces") -> ConfigDict:
    """The config of a variant."""
    return variants.choose(Config(), variant, _VARIANTS)


def _stream(config: ConfigDict, source: str, labels: tuple[str, ...] = ("expression",), **options) -> None:
    config.data.streams = ConfigDict({"face": variants.stream(source, labels, options=options)})


def _rendered(config: ConfigDict) -> None:
    _stream(config, "rendered_faces", image_size=config.data.image_size)


def _celeba(config: ConfigDict) -> None:
    """CelebA's pictures in a folder, shorter side resized to 64 and the middle cut out; nothing of them is labelled."""
    _stream(config, "celeba", labels=())
    for view in (config.data.streams.face.train_view, config.data.streams.face.eval_view):
        view.update(load_size=config.data.image_size, crop_kind="center")


def _fer2013(config: ConfigDict) -> None:
    """48 x 48, grey. As published, one network an expression: `data.streams.face.only` names it; "" = of all."""
    config.data.update(image_size=48, channels=1)
    config.run.update(epochs=50, eval_every=224, sample_every=100)  # 224: an epoch of all classes; disgust's are of 3
    _stream(config, "fer2013")


def _conditionally(variant):
    """What small sets need too: pictures that the discriminator sees are changed, and the generator is averaged."""

    def changed(config: ConfigDict) -> None:
        variant(config)
        config.model.conditional = True
        config.augment = ("color", "translation", "cutout")
        config.ema_decay = 0.999

    return changed


def _tiny(config: ConfigDict) -> None:
    """Same code path; 48 x 48 and grey as FER2013, a quarter of the width, minutes on two CPU cores.

    Departures: smaller batches and an average of the generator.
    """
    config.data.update(image_size=48, channels=1, batch_size=64)
    config.model.width = 16
    config.ema_decay = 0.99
    config.measures.update(samples=256, final_samples=1000, pictures=1000)
    config.run.update(epochs=None, steps=2000, log_every=100, eval_every=500, sample_every=250)
    _rendered(config)


_VARIANTS = {
    "rendered_faces": _rendered,
    "conditional": _conditionally(_rendered),
    "celeba": _celeba,
    "fer2013": _fer2013,
    "fer2013_conditional": _conditionally(_fer2013),
    "tiny": _tiny,
    "tiny_conditional": _conditionally(_tiny),
}
