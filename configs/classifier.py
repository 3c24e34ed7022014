"""FER2013's classifiers, with or without faces that GANmut made (reference: "Emotion Detection using EmotionGAN").

python -m fer_jax.main --config=configs/classifier.py                  # published network, 224 px, rendered_faces
python -m fer_jax.main --config=configs/classifier.py:tiny             # minutes on two CPU cores
python -m fer_jax.main --config=configs/classifier.py:fer2013 --config.data.streams.face.path=DIR
python -m fer_jax.main --config=configs/classifier.py:fer2013_densenet201
python -m fer_jax.main --config=configs/classifier.py:augmented --config.data.streams.face.generated.folder=DIR
python -m fer_jax.main --config=configs/classifier.py:expanded --config.data.streams.face.generated.folder=DIR
python -m fer_jax.main --config=configs/classifier.py:byol --config.init_from=WORKDIR  # of configs/byol.py
python -m fer_jax.main --config=configs/classifier.py:compact          # 48 pixels, from nothing: the model that ships
python -m fer_jax.main --config=configs/classifier.py:compact --config.init_from=shipped     # on from that model
python -m fer_jax.main --config=configs/classifier.py:ferplus          # the same with FER+'s eight classes
python -m fer_jax.main --config=configs/classifier.py:study            # a smaller one, for comparisons on two cores
python -m fer_jax.main --config=configs/classifier.py:study_augmented --config.data.streams.face.generated.folder=DIR
python -m fer_jax.main --config=configs/classifier.py:study_expanded --config.data.streams.face.generated.folder=DIR
"""

from ml_collections import ConfigDict

from fer_jax.core.config import variants
from fer_jax.systems.classifier.config import Config


def get_config(variant: str = "rendered_faces") -> ConfigDict:
    """The config of a variant."""
    return variants.choose(Config(), variant, _VARIANTS)


def _rendered(config: ConfigDict) -> None:
    _faces(config, "rendered_faces", image_size=config.data.image_size)


def _faces(config: ConfigDict, source: str, labels: tuple[str, ...] = ("expression",), **options) -> None:
    """The published views."""
    face = variants.stream(source, labels, options=options)
    face.train_view.augment, face.eval_view.augment = "torchvision", "torchvision_eval"
    config.data.streams = ConfigDict({"face": face})


def _fer2013(config: ConfigDict) -> None:
    """PublicTest selects, PrivateTest counts; the reference has it the other way round (option `swap`)."""
    _faces(config, "fer2013")


def _densenet201(config: ConfigDict) -> None:
    config.model.backbone = "densenet201"
    config.data.batch_size = 32
    config.optim.update(lr=3e-4, weight_decay=3.4e-5)
    _fer2013(config)


def _augmented(config: ConfigDict) -> None:
    """Published: where GANmut made faces of a picture, one of them takes its place with probability 0.8."""
    _fer2013(config)
    config.data.streams.face.generated.update(kind="augment", probability=0.8)


def _expanded(config: ConfigDict) -> None:
    """Published: faces that GANmut made with other expressions are further examples."""
    _fer2013(config)
    config.data.streams.face.generated.kind = "expand"


def _byol(config: ConfigDict) -> None:
    """On the backbone of a BYOL run, which `init_from` names."""
    config.model.head = "mlp"
    _fer2013(config)


# ---- 48 pixels, from nothing ----


def _compact(config: ConfigDict) -> None:
    """The model that ships: see fer_jax/pretrained. It learns how FER+'s people voted beside the labels."""
    _small_faces(config)
    config.model.width = 40
    config.loss.update(label_smoothing=0.05, votes=1.0)
    config.optim.lr = 0.06
    config.tta = "flip"
    config.run.update(epochs=20, log_every=100, eval_every=898)
    _native(config, "fer2013", ("expression", "ferplus"))


def _ferplus(config: ConfigDict) -> None:
    """FER+'s eight classes by the majority of its votes; pictures that most call no face, or unknown, are left out."""
    _compact(config)
    config.data.streams.face.options = {"target": "ferplus"}


def _study(config: ConfigDict) -> None:
    """One small network with one small budget, for regular, augmented, expanded and BYOL side by side."""
    _narrow(config)
    config.loss.label_smoothing = 0.05
    config.run.update(epochs=6, log_every=100, eval_every=1796)  # after four epochs and six
    _native(config, "fer2013")


def _study_augmented(config: ConfigDict) -> None:
    _study(config)
    config.data.streams.face.generated.update(kind="augment", probability=0.8)


def _study_expanded(config: ConfigDict) -> None:
    _study(config)
    config.data.streams.face.generated.kind = "expand"


def _tiny(config: ConfigDict) -> None:
    """Same code path; a small network for 48 pixels."""
    _narrow(config)
    config.run.update(epochs=24, log_every=50)
    _native(config, "rendered_faces", image_size=48, identities=400, pictures=10)


def _small_faces(config: ConfigDict) -> None:
    config.data.update(image_size=48, channels=1, batch_size=64, eval_batch_size=128)
    config.model.backbone = "compact"
    config.norm = "faces"
    config.optim.update(kind="sgd", lr=0.1, weight_decay=5e-4, schedule="cosine_steps", warm_up_epochs=1.0)
    config.ema_decay = 0.998


def _narrow(config: ConfigDict) -> None:
    """A few thousand steps: by Adam, since `:compact`'s SGD has hardly begun to learn when they end."""
    _small_faces(config)
    config.model.update(depths=(1, 1, 1), width=16)
    config.optim.update(kind="adam", lr=2e-3, weight_decay=1e-4)
    config.ema_decay = 0.99


def _native(config: ConfigDict, source: str, labels: tuple[str, ...] = ("expression",), **options) -> None:
    """The picture as it is, changed as `fer_jax.data.augment.face` does in training."""
    face = variants.stream(source, labels, options=options)
    face.train_view.augment = "face"
    config.data.streams = ConfigDict({"face": face})


_VARIANTS = {
    "rendered_faces": _rendered,
    "tiny": _tiny,
    "fer2013": _fer2013,
    "fer2013_densenet201": _densenet201,
    "augmented": _augmented,
    "expanded": _expanded,
    "byol": _byol,
    "compact": _compact,
    "ferplus": _ferplus,
    "study": _study,
    "study_augmented": _study_augmented,
    "study_expanded": _study_expanded,
}
