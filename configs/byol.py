"""BYOL: a backbone that learns from faces without labels, for configs/classifier.py to start from.

python -m fer_jax.main --config=configs/byol.py             # the published network, 224 px, on rendered_faces
python -m fer_jax.main --config=configs/byol.py:tiny        # minutes on two CPU cores
python -m fer_jax.main --config=configs/byol.py:fer2013 --config.data.streams.view.generated.folder=DIR  # as published
python -m fer_jax.main --config=configs/byol.py:views       # with proper image augmentation instead of made faces
python -m fer_jax.main --config=configs/byol.py:study       # likewise, the small network of classifier.py:study
"""

from ml_collections import ConfigDict

from fer_jax.core.config import variants
from fer_jax.systems.byol.config import Config


def get_config(variant: str = "rendered_faces") -> ConfigDict:
    """The config of a variant."""
    return variants.choose(Config(), variant, _VARIANTS)


def _pairs(config: ConfigDict, source: str, **options) -> None:
    """Every picture twice. As published both are seen as in evaluation; the second is a made one where there is any."""
    streams = {
        "face": variants.stream(source, ("expression",), options=options),
        "view": variants.stream(source, (), options=options),
    }
    for stream in streams.values():
        stream.train_view.augment = stream.eval_view.augment = "torchvision_eval"
    config.data.streams = ConfigDict(streams)


def _rendered(config: ConfigDict) -> None:
    _pairs(config, "rendered_faces", image_size=config.data.image_size)
    _augmented(config)


def _fer2013(config: ConfigDict) -> None:
    """The second view is a face that GANmut made: `data.streams.view.generated.folder` names it."""
    _pairs(config, "fer2013")
    config.data.streams.view.generated.kind = "augment"  # with probability 1; a picture that has none is seen twice


def _views(config: ConfigDict) -> None:
    _pairs(config, "fer2013")
    _augmented(config)


def _augmented(config: ConfigDict, way: str = "torchvision") -> None:
    """Departure: both views are changed at random, as BYOL is meant."""
    for stream in config.data.streams.values():
        stream.train_view.augment = way


def _small(config: ConfigDict, source: str, **options) -> None:
    config.data.update(image_size=48, channels=1, batch_size=64, eval_batch_size=128)
    config.model.update(backbone="compact", hidden=256, embedding=64)
    config.norm = "faces"
    config.optim.update(lr=1e-3)
    _pairs(config, source, **options)
    for stream in config.data.streams.values():
        stream.train_view.augment, stream.eval_view.augment = "face", None


def _study(config: ConfigDict) -> None:
    _small(config, "fer2013")
    config.model.update(depths=(1, 1, 1), width=16)
    config.run.update(epochs=2, log_every=100)


def _tiny(config: ConfigDict) -> None:
    """Same code path; a small network for 48 pixels."""
    _small(config, "rendered_faces", image_size=48, identities=400, pictures=10)
    config.model.update(depths=(1, 1, 1), width=16)
    config.run.update(epochs=6, log_every=50)


_VARIANTS = {
    "rendered_faces": _rendered,
    "tiny": _tiny,
    "fer2013": _fer2013,
    "views": _views,
    "study": _study,
}
