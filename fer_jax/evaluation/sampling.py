"""Figures of a system that draws faces from noise: how far they are from real ones, and what a recogniser sees in them.

Distances are those of `frechet`, named after the network whose features they are of, each beside that of two halves of
the real pictures ("floor"): what is measured of no difference. Where samples have a class, since the generator was
asked for it or knows only one, a recogniser says how many show it, beside how many real pictures do ("real"): one that
does not know such faces is noticed by that.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fer_jax.core.config import SampleMeasuresConfig
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import expression_name
from fer_jax.core.protocols import SamplingSystem
from fer_jax.core.state import TrainState
from fer_jax.data.opening import Data
from fer_jax.data.table import spread
from fer_jax.evaluation import evaluators, frechet
from fer_jax.inference.runner import Runner
from fer_jax.inference.sampler import draw

_FEWEST = 10  # real pictures that a distance is taken to
_BATCH = 64


def figures(
    runner: Runner, state: TrainState, data: Data, split: str, measures: SampleMeasuresConfig, *, final: bool
) -> dict[str, Any]:
    """Figures of a `SamplingSystem` on a split: "distance", and "samples_<evaluator>" where samples have a class.

    Classes are asked for as often as the real pictures have them.

    Args:
      runner: of the generator.
      state: its state.
      data: of the run.
      split: whose real pictures are compared with.
      measures: `config.measures`.
      final: `final_samples` of them.
    """
    system = _sampling(runner)
    positions = _positions(data, system.sampling_stream, split, measures)
    asked, names = _classes(data, system, split, positions)
    labels = np.resize(asked, measures.final_samples if final else measures.samples)
    samples = draw(runner, state, labels)
    return _compared(samples, labels, (data, system.sampling_stream, split, positions), (asked, names), measures)


def pooled(
    networks: Mapping[str, tuple[Runner, TrainState]], data: Data, split: str, measures: SampleMeasuresConfig
) -> dict[str, Any]:
    """The figures of one generator for each class, taken together, as `figures` has those of one that draws by class.

    Args:
      networks: class -> the generator's runner and state; all classes of the data set.
      data: of all classes.
      split: whose real pictures are compared with.
      measures: as for `figures`; `final_samples` are drawn.
    """
    stream = _sampling(next(iter(networks.values()))[0]).sampling_stream
    positions, names = _positions(data, stream, split, measures), data.spec.classes["expression"]
    asked = np.asarray(data.tables[stream][split].labels["expression"])[positions]
    labels = np.resize(asked, measures.final_samples)
    size, channels = data.spec.image_size, data.spec.channels
    samples = np.zeros((len(labels), size, size, channels), np.float32)
    for number, name in enumerate(names):
        own = labels == number
        if own.any():
            samples[own] = draw(*networks[name], np.zeros(own.sum(), int))
    return _compared(samples, labels, (data, stream, split, positions), (asked, names), measures)


def _compared(
    samples: np.ndarray,
    labels: np.ndarray,
    reality: tuple[Data, str, str, np.ndarray],
    classes: tuple[np.ndarray, tuple[str, ...]],
    measures: SampleMeasuresConfig,
) -> dict[str, Any]:
    """Samples of `labels` beside the real pictures at some positions of a data set's stream and split.

    `classes` are those of the real pictures as numbers, and their names.
    """
    data, stream, split, positions = reality
    asked, names = classes
    table = data.tables[stream][split]
    evaluator = evaluators.load(measures.evaluator, "config.measures.evaluator", table.records.name)
    network: Any = frechet.inception(measures.inception, measures.form) if measures.inception else evaluator
    measured = len(positions) >= _FEWEST and (network is not evaluator or evaluator.has_features)
    features, shares = [], []
    for part in _parts(positions):
        real = data.at(split, part)["image"]
        features += [network.features(real)] * measured
        shares += [evaluator.evaluate(real).probabilities] * bool(names)
    found: dict[str, Any] = {}
    if measured:
        both = (frechet.Statistics.of(values) for values in (np.concatenate(features), network.features(samples)))
        found["distance"] = distances(network.name, *both)
    if names:
        said = evaluator.evaluate(samples).probabilities
        real_said = np.concatenate(shares)
        found[f"samples_{evaluator.name}"] = recognised(said, labels, real_said, asked, names, evaluator.classes)
    return found


def distances(name: str, real: frechet.Statistics, fake: frechet.Statistics) -> dict[str, float]:
    """Fréchet and kernel distance of kept features, with the former's floor; `name` is the network's."""
    if real.features is None or fake.features is None:
        raise ValueError("distances: statistics that kept their features are needed")
    key = frechet.metric_key(name)
    return {
        key: frechet.frechet_distance(real, fake),
        f"{key}_floor": frechet.real_floor(real.features),
        frechet.metric_key(name, kernel=True): frechet.kernel_distance(real.features, fake.features).mean,
        "examples": fake.count,
    }


def recognised(
    shares: np.ndarray,
    labels: np.ndarray,
    real_shares: np.ndarray,
    real_labels: np.ndarray,
    names: tuple[str, ...],
    known: tuple[str, ...],
) -> dict[str, Any]:
    """How many pictures show their class: "accuracy" and "real_accuracy" over all, and both of each class by name.

    Args:
      shares: (N, K) probabilities of the samples, over the classes `known`.
      labels: (N,) what was asked for.
      real_shares: (M, K), of real pictures.
      real_labels: (M,) their classes.
      names: of the labels; those that are not `known` are left out.
      known: whom the recogniser tells apart.
    """
    places = [expression_name(name) for name in known]
    place = np.array([places.index(expression_name(name)) if expression_name(name) in places else -1 for name in names])
    found: dict[str, Any] = {}
    for title, probabilities, wanted in (("", shares, place[labels]), ("real_", real_shares, place[real_labels])):
        asked = wanted >= 0
        if not asked.any():
            continue
        right = probabilities.argmax(1) == wanted
        found[f"{title}accuracy"] = float(right[asked].mean())
        each = {name: wanted == own for name, own in zip(names, place, strict=True) if own in wanted[asked]}
        found |= {f"{title}{name}": float(right[own].mean()) for name, own in each.items()}
    return {**found, "examples": int((place[labels] >= 0).sum())}


def _sampling(runner: Runner) -> SamplingSystem:
    if not isinstance(runner.system, SamplingSystem):
        raise UsageError(f"{type(runner.system).__name__} draws no faces from noise")
    return runner.system


def _parts(values: np.ndarray) -> list[np.ndarray]:
    return [values[start : start + _BATCH] for start in range(0, len(values), _BATCH)]


def _positions(data: Data, stream: str, split: str, measures: SampleMeasuresConfig) -> np.ndarray:
    """Of the real pictures that are compared with."""
    return spread(len(data.tables[stream][split]), measures.pictures)


def _classes(
    data: Data, system: SamplingSystem, split: str, positions: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Classes of real pictures as numbers, and their names; zeros and () where samples have no class."""
    table = data.tables[system.sampling_stream][split]
    if only := data.config.streams[system.sampling_stream].only:
        return np.zeros(len(positions), int), (expression_name(only),)
    if not system.classes:
        return np.zeros(len(positions), int), ()
    return np.asarray(table.labels["expression"])[positions], system.classes
