"""Figures of a system that edits faces: of its edits (`editing`), and how far what it draws is from real pictures.

Action-unit and identity figures come from the package's face evaluator, so they exist for rendered faces only. The
emotion that an edit shows is read by a recogniser. Distances are those of each emotion: the pictures of a split,
translated to it, against the split's real pictures that show it.
"""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from absl import logging

from fer_jax.core.config import EditMeasuresConfig
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import AU_NAMES
from fer_jax.core.protocols import ControlledSystem
from fer_jax.core.state import TrainState
from fer_jax.data.opening import Data
from fer_jax.data.table import spread
from fer_jax.evaluation import editing, evaluators, face_evaluator, frechet
from fer_jax.evaluation.evaluators import ImageEvaluator
from fer_jax.evaluation.face_evaluator import FaceEvaluator
from fer_jax.inference.batches import in_batches
from fer_jax.inference.runner import Runner

_FINAL_SOURCES = 48  # faces that are edited for the figures of a finished run; during it `measures.sources` are
_BATCH = 32  # edits that go through the network together
_FEWEST = 10  # real pictures that a distance is taken to


def figures(
    runner: Runner, state: TrainState, data: Data, split: str, measures: EditMeasuresConfig, *, final: bool
) -> dict[str, Any]:
    """Figures of a `ControlledSystem` on a split.

    Args:
      runner: of the editor.
      state: its state.
      data: of the run.
      split: whose pictures are edited.
      measures: `config.measures`.
      final: more sources, intensities, and "edit_seen": what "edit" measures, where nobody tells the editor what the
        sources show. It asks the system itself, and for what it says of the units that are not to change.
    """
    system = _controlled(runner)
    table = data.tables[data.config.evaluate][split]
    rendered = table.records.name == "rendered_faces"
    evaluator = evaluators.load(measures.evaluator, "config.measures.evaluator", table.records.name)
    found: dict[str, Any] = {}

    positions = spread(len(table), measures.pictures)
    pictures = data.at(split, positions)
    edit = functools.partial(in_batches, functools.partial(runner.edit, state), size=_BATCH)
    emotions = {name: np.asarray(values, np.float32) for name, values in system.expressions(state).items()}
    count = _FINAL_SOURCES if final else measures.sources
    if rendered and "aus" in table.labels and system.controls == AU_NAMES:
        told, unaided = ways(runner, state)
        found |= _of_units(data, split, count, {"edit": told} | ({"edit_seen": unaided} if final else {}))
    chosen = spread(len(table), count)
    others = _partners(data, split, chosen) if isinstance(evaluator, FaceEvaluator) and rendered else None
    sources = data.at(split, chosen)["image"]
    if emotion := editing.expressions(sources, edit, evaluator, emotions, others):
        found["emotion"] = emotion
    if final and (intensity := editing.intensities(sources, edit, evaluator, emotions)):
        found["intensity"] = intensity
    shows = system.controls_from(pictures)
    if shows is not None and (network := _network(measures, evaluator)) is not None:
        there = np.asarray(shows) >= editing.PRESENT
        real = {name: np.all(there[:, wanted > 0], axis=1) for name, wanted in emotions.items()}
        found["distance"] = distances(network, pictures["image"], real, edit, emotions)
    return found


def ways(runner: Runner, state: TrainState) -> tuple[editing.KnowingEdit, editing.KnowingEdit]:
    """The editor for single units, told what the pictures show, and going by what it sees in them.

    The second leaves the units that are not to change as they are seen, not as they are.
    """
    system = _controlled(runner)
    edit = functools.partial(runner.edit, state)

    def told(images: np.ndarray, aus: np.ndarray, own: np.ndarray) -> np.ndarray:
        wanted, known = (np.asarray(system.controls_from({"aus": units})) for units in (aus, own))
        return in_batches(edit, images, wanted, known, size=_BATCH)

    def unaided(images: np.ndarray, aus: np.ndarray, own: np.ndarray) -> np.ndarray:
        wanted, known = (np.asarray(system.controls_from({"aus": units})) for units in (aus, own))
        shown = in_batches(functools.partial(runner.condition_of, state), images, size=_BATCH)
        return in_batches(edit, images, np.where(wanted == known, shown, wanted), shown, size=_BATCH)

    return told, unaided


def distances(
    network: frechet.FeatureNetwork,
    pictures: np.ndarray,
    real: Mapping[str, np.ndarray],
    edit: editing.Edit,
    emotions: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """Fréchet and kernel distance of each emotion, the former beside that of two halves of the real pictures ("floor").

    Emotions that fewer than ten real pictures show are left out. The sets overlap, as in the reference: a picture with
    the units of two emotions counts for both; and what is asked has no other units, which real pictures have.

    Args:
      network: what the features are taken from; figures are named after it.
      pictures: (N, S, S, C) in [0, 1].
      real: emotion -> (N,), whether a picture shows it.
      edit: the editor.
      emotions: name -> controls (K,).
    """
    features, found = network.features(pictures), {}
    key, kernel_key = frechet.metric_key(network.name), frechet.metric_key(network.name, kernel=True)
    for name, wanted in emotions.items():
        if real[name].sum() < _FEWEST:
            continue
        drawn = network.features(edit(pictures, np.tile(wanted, (len(pictures), 1))))
        own = features[real[name]]
        found[f"{key}_{name}"] = frechet.frechet_distance(frechet.Statistics.of(own), frechet.Statistics.of(drawn))
        found[f"{key}_{name}_floor"] = frechet.real_floor(own)
        found[f"{kernel_key}_{name}"] = frechet.kernel_distance(own, drawn).mean
    return found


def grid(
    runner: Runner, state: TrainState, source: Mapping[str, np.ndarray], steps: int = 4
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """One face with each control set to `steps` values from the smallest to the largest, the others as they are.

    The reference's picture "au_edition", of all units where it shows nine.

    Args:
      runner: of the editor.
      state: its state.
      source: one example, with what it shows where that is known; else the system is asked.
      steps: how many values.

    Returns:
      (control -> (steps, S, S, C) in [0, 1], the values (steps,)).
    """
    system = _controlled(runner)
    known = system.controls_from(source)
    own = np.asarray(runner.condition_of(state, source["image"]) if known is None else known)[0].astype(np.float32)
    values = np.linspace(*system.control_range, steps)
    wanted = np.tile(own, (len(system.controls), steps, 1)).astype(np.float32)
    for control in range(len(system.controls)):
        wanted[control, :, control] = values
    wanted = wanted.reshape(-1, len(own))
    pictures, owns = np.repeat(source["image"], len(wanted), 0), np.tile(own, (len(wanted), 1))
    drawn = in_batches(functools.partial(runner.edit, state), pictures, wanted, owns, size=_BATCH)
    columns = drawn.reshape(len(system.controls), steps, *drawn.shape[1:])
    return dict(zip(system.controls, columns, strict=True)), values


def _of_units(data: Data, split: str, count: int, ways: Mapping[str, editing.KnowingEdit]) -> dict[str, Any]:
    """Figures of single units by each way of editing, see `editing.measure`."""
    table = data.tables[data.config.evaluate][split]
    positions = spread(len(table), count)
    source = data.at(split, positions)
    typical = editing.typical_intensities(table.labels["aus"])
    trial = editing.Trial.of(
        source["image"], _partners(data, split, positions), tuple(table.files(positions)), source["aus"], typical
    )
    options = data.config.streams[data.config.evaluate].options
    truth = editing.true_edits(trial, options.get("seed", 0), data.config.image_size)
    return {name: editing.measure(trial, edit, face_evaluator.load(), truth) for name, edit in ways.items()}


def _partners(data: Data, split: str, positions: np.ndarray) -> np.ndarray:
    """Another picture (N, S, S, C) of each one's person."""
    table = data.tables[data.config.evaluate][split]
    people = table.records.column("identity")[table.rows]
    return data.at(split, np.array([_partner(people, position) for position in positions]))["image"]


def _partner(people: np.ndarray, position: int) -> int:
    """Another picture of the same person, the next one where there is one."""
    own = np.flatnonzero(people == people[position])
    return int(own[(np.searchsorted(own, position) + 1) % len(own)])


def _controlled(runner: Runner) -> ControlledSystem:
    if not isinstance(runner.system, ControlledSystem):
        raise UsageError(f"{type(runner.system).__name__} has no controls to edit by")
    return runner.system


def _network(measures: EditMeasuresConfig, evaluator: ImageEvaluator) -> frechet.FeatureNetwork | None:
    """Whose features distances are of: without Inception's weights the recogniser's, if it has any."""
    if measures.inception:
        return frechet.inception(measures.inception, measures.form)
    if not evaluator.has_features:
        return None
    logging.info("distances are taken on the features of %s; give config.measures.inception for FID", evaluator.name)
    return evaluator
