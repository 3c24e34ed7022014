"""The judge of edited faces: action units, expression and identity (ours; `fer_jax.evaluation.editing` asks it).

python -m fer_jax.main --config=configs/face_evaluator.py       # what the package holds, see cli/pack.py
python -m fer_jax.main --config=configs/face_evaluator.py:tiny  # a quick one, for trials
"""

from ml_collections import ConfigDict

from fer_jax.core.config import variants
from fer_jax.systems.face_evaluator.config import Config


def get_config(variant: str = "rendered_faces") -> ConfigDict:
    """The config of a variant."""
    return variants.choose(Config(), variant, _VARIANTS)


def _rendered(config: ConfigDict) -> None:
    """Other people than every editor's, whose seed is 0."""
    _faces(config, identities=700, pictures=14)
    config.run.update(epochs=None, steps=7000, log_every=250, eval_every=1000, sample_every=7000, checkpoint_every=1000)


def _tiny(config: ConfigDict) -> None:
    """Fewer people, fewer steps."""
    _faces(config, identities=100, pictures=14)
    config.model.update(depths=(2, 2, 2))
    config.optim.first_steps = 500
    config.run.update(epochs=None, steps=700, log_every=100, eval_every=350)


def _faces(config: ConfigDict, identities: int, pictures: int) -> None:
    options = {"image_size": config.data.image_size, "identities": identities, "pictures": pictures, "seed": 1}
    face = variants.stream("rendered_faces", ("aus", "expression", "identity"), options=options)
    free = variants.stream("rendered_faces", ("aus", "identity"), options={**options, "free": True})
    for stream in (face, free):
        stream.train_view.flip_half = True
    config.data.streams = ConfigDict({"face": face, "free": free})
    config.people = identities  # vectors of the gallery, one for each identity number


_VARIANTS = {"rendered_faces": _rendered, "tiny": _tiny}
