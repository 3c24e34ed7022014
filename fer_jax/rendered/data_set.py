"""`rendered_faces`: the embedded data set, 3-D heads with exact labels, drawn on first use.

``builder(image_size=48).download_and_prepare()`` renders into the TFDS folder (nothing is downloaded); every picture is
a pure function of (seed, identity, picture). See `fer_jax.rendered` for the model, the renderer and the labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from fer_jax.core.labels import AU_NUMBERS
from fer_jax.rendered import model as face_model
from fer_jax.rendered import population
from fer_jax.rendered import render as renderer

NAME = "rendered_faces"
EXPRESSIONS = population.EXPRESSIONS
_MIN_IDENTITIES = 3  # one a split
_NAMED = ("expression", "valence", "arousal")  # what pictures with free action units do not have

_DESCRIPTION = """
Rendered faces of synthetic people. Each person (identity) is a point in the shape and colour space of a small head
model; each picture adds one of seven expressions through 17 facial action units, a head pose, a light and a background.
All factors are known exactly and given as labels. Splits share no identity. No real person is depicted.
Valence and arousal follow from class, strength and action units by a fixed formula; they are not human ratings.
"""
_LICENSE = (
    "The pictures are drawn from MakeHuman/MPFB2 assets and the Face Units asset pack by Mika Suominen, both released "
    "under CC0 1.0 Universal."
)
_CITATION = r"""
@misc{makehuman,
  title = {{MakeHuman} and {MPFB2}: open source human models, {CC0} assets},
  author = {{MakeHuman Community}},
  howpublished = {\url{https://static.makehumancommunity.org}},
}
"""


@dataclasses.dataclass
class RenderedFacesConfig(tfds.core.BuilderConfig):
    """What to render; `name` encodes all of it, so two requests never share a folder."""

    image_size: int = 128
    identities: int = 200
    pictures: int = 20
    seed: int = 0
    free: bool = False


def config(
    image_size: int = 128, identities: int = 200, pictures: int = 20, seed: int = 0, free: bool = False
) -> RenderedFacesConfig:
    """The checked configuration, named for example ``s128_i200_p20_r0``, with ``_free`` for free action units.

    Raises:
      ValueError: an option is not a whole number in its range, or `free` not true or false; the message names it.
    """
    if not isinstance(free, bool):
        raise ValueError(f"rendered_faces: free must be true or false, got {free!r}")
    ranges = {
        "image_size": (image_size, renderer.MIN_SIZE, renderer.MAX_SIZE),
        "identities": (identities, _MIN_IDENTITIES, 1_000_000),
        "pictures": (pictures, 1, 100_000),
        "seed": (seed, 0, 2**31 - 1),
    }
    for option, (value, low, high) in ranges.items():
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"rendered_faces: {option} must be a whole number in {low}..{high}, got {value!r}")
    return RenderedFacesConfig(
        name=f"s{image_size}_i{identities}_p{pictures}_r{seed}" + "_free" * free,
        description=f"{identities} identities, {pictures} pictures each, {image_size} x {image_size}, seed {seed}",
        image_size=image_size,
        identities=identities,
        pictures=pictures,
        seed=seed,
        free=free,
    )


def builder(
    *,
    data_dir: str | None = None,
    image_size: int = 128,
    identities: int = 200,
    pictures: int = 20,
    seed: int = 0,
    free: bool = False,
) -> RenderedFaces:
    """The TFDS builder of one rendering; renders nothing yet.

    Args:
      data_dir: TFDS folder; None = TFDS's default.
      image_size: width and height in pixels, 16..1024.
      identities: number of people, at least 3: 70 % train, 10 % validation, 20 % test, each at least one.
      pictures: pictures a person; they cycle through the 7 classes.
      seed: another seed is another population.
      free: action units in any combination, see `population.sample`; there are no classes, valence and arousal then.

    Raises:
      ValueError: an option is out of range.
    """
    wanted = config(image_size, identities, pictures, seed, free)
    # TFDS refuses a configuration of its own class's name that is not that very object.
    return RenderedFaces(data_dir=data_dir, config=RenderedFaces.builder_configs.get(wanted.name, wanted))


def split_identities(identities: int) -> dict[str, range]:
    """Identity numbers of every split: disjoint, together all, each at least one."""
    validation, test = max(1, round(0.1 * identities)), max(1, round(0.2 * identities))
    train = identities - validation - test
    return {
        "train": range(train),
        "validation": range(train, train + validation),
        "test": range(train + validation, identities),
    }


class RenderedFaces(tfds.core.GeneratorBasedBuilder):
    """Builder; make it with `builder`, which checks the options."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    BUILDER_CONFIGS = [config()]

    workers: int | None = None  # processes, see `population.render_all`; has no influence on the pictures
    _bar: Any = None

    def _info(self) -> tfds.core.DatasetInfo:
        size = self.builder_config.image_size
        identity_size = face_model.load().identity_size
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
                "expression": tfds.features.ClassLabel(names=population.EXPRESSIONS),
                "identity": tfds.features.Scalar(np.int64),
                "identity_vector": tfds.features.Tensor(shape=(identity_size,), dtype=np.float32),
                "aus": tfds.features.Tensor(shape=(len(AU_NUMBERS),), dtype=np.float32),
                "valence": tfds.features.Scalar(np.float32),
                "arousal": tfds.features.Scalar(np.float32),
                "pose": tfds.features.Tensor(shape=(3,), dtype=np.float32),
                "light": tfds.features.Tensor(shape=(population.LIGHT_SIZE,), dtype=np.float32),
                "file": tfds.features.Text(),
            }
        )
        if self.builder_config.free:
            features = tfds.features.FeaturesDict({n: f for n, f in features.items() if n not in _NAMED})
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=features,
            supervised_keys=("image", "aus" if self.builder_config.free else "expression"),
            citation=_CITATION,
            license=_LICENSE,
        )

    def download_and_prepare(self, *, file_format: Any = "array_record", **kwargs: Any) -> None:
        """Renders the set unless it lies there; one progress bar; takes TFDS's arguments."""
        options = self.builder_config
        with tqdm(
            total=options.identities * options.pictures, desc=f"rendering {NAME}", leave=False, disable=None
        ) as self._bar:
            tfds.disable_progress_bar()
            try:
                super().download_and_prepare(file_format=file_format, **kwargs)
            finally:
                tfds.enable_progress_bar()
        self._bar = None

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[str, dict]]]:
        del dl_manager
        splits = split_identities(self.builder_config.identities)
        return {name: self._generate_examples(people) for name, people in splits.items()}

    def _generate_examples(self, people: range) -> Iterator[tuple[str, dict[str, Any]]]:
        options = self.builder_config
        size, pictures = options.image_size, range(options.pictures)
        jobs = [(options.seed, person, picture, size, options.free) for person in people for picture in pictures]
        for (seed, person, picture, _, free), image in population.render_all(jobs, self.workers):
            spec = population.sample(seed, person, picture, free=free)
            name = f"i{person:04d}_p{picture:02d}"
            if self._bar is not None:
                self._bar.update()
            example = {
                "image": image,
                "expression": spec.expression,
                "identity": person,
                "identity_vector": spec.identity_vector,
                "aus": spec.aus,
                "valence": spec.valence,
                "arousal": spec.arousal,
                "pose": spec.pose,
                "light": spec.light,
                "file": name,
            }
            yield name, {field: value for field, value in example.items() if not (free and field in _NAMED)}
