"""How well an editor changes one action unit: it alone, by as much as was asked, and on the same person.

Possible since rendered faces can be drawn with any units: of every edit the true picture is known. Each source picture
is edited once for each unit: a unit that is there is asked away, one that is not is asked to the mean intensity that it
has where it is there. Edited and true picture are compared by what the face evaluator reads in both, so
that what it cannot read, or reads too small, counts for neither side; and pixel by pixel, without it.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from fer_jax.core.labels import AU_NAMES, expression_name
from fer_jax.data.workers import in_order
from fer_jax.evaluation.evaluators import ImageEvaluator
from fer_jax.evaluation.face_evaluator import FaceEvaluator, FaceScores
from fer_jax.inference.editor import at_intensity
from fer_jax.rendered import population

_SETTLED = 0.02  # of a probability: what counts as no change
PRESENT = 0.2  # from this intensity on a unit counts as there, as 1 of OpenFace's 5

Edit = Callable[[np.ndarray, np.ndarray], np.ndarray]  # pictures (N, S, S, C) and controls (N, K) -> pictures
KnowingEdit = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # likewise, told what the pictures show


@dataclasses.dataclass(frozen=True)
class Trial:
    """Edits to be made, M = N sources times the units that are ever there.

    Attributes:
      sources: (N, S, S, C) in [0, 1].
      others: (N, S, S, C), another picture of each one's person.
      files: their names.
      source: (M,) which source.
      unit: (M,) which unit is to change.
      asked: (M, 17) intensities.
      own: (M, 17), those of the sources.
    """

    sources: np.ndarray
    others: np.ndarray
    files: tuple[str, ...]
    source: np.ndarray
    unit: np.ndarray
    asked: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, sources: np.ndarray, others: np.ndarray, files: tuple[str, ...], aus: np.ndarray, typical: np.ndarray):
        """Every unit of every source; `aus` are theirs (N, 17), `typical` (17,) is what is asked of absent ones."""
        units = np.flatnonzero(typical > 0)
        source, unit = (axis.ravel() for axis in np.meshgrid(np.arange(len(aus)), units, indexing="ij"))
        asked, rows = aus[source].copy(), np.arange(len(source))
        asked[rows, unit] = np.where(asked[rows, unit] >= PRESENT, 0, typical[unit])
        return cls(sources, others, files, source, unit, asked.astype(np.float32), aus[source].astype(np.float32))


def typical_intensities(aus: np.ndarray) -> np.ndarray:
    """Of intensities (N, 17): each unit's mean where it is there (17,); 0 for a unit that never is."""
    there = aus >= PRESENT
    return np.where(there.any(0), (aus * there).sum(0) / np.maximum(there.sum(0), 1), 0)


def measure(trial: Trial, edit: KnowingEdit, evaluator: FaceEvaluator, truth: np.ndarray) -> dict[str, Any]:
    """Figures of an editor.

    Args:
      trial: what it is asked.
      edit: the editor; takes all pictures of a trial at once, and is told the units that they have.
      evaluator: what reads the pictures.
      truth: (M, S, S, C) in [0, 1], the true pictures of the edits.

    Returns:
      "changed": mean difference, to the true picture, in the intensity that the evaluator reads of the changed unit;
      "leak": in those of the other units; "pixels": mean absolute difference of the pixels. Each with "..._no_edit",
      the same of the unedited picture, and "..._ratio", their quotient. "gain" = 1 - (changed + leak) / (what they are
      without an edit). "identity": likeness to the source; "identity_pairs": of two real pictures of a person;
      "identity_ratio": their quotient. "..._of_units": lists in the order of "units".
    """
    drawn = edit(trial.sources[trial.source], trial.asked, trial.own)
    before, true, after = evaluator.evaluate(trial.sources), evaluator.evaluate(truth), evaluator.evaluate(drawn)
    pairs = float((before.identity * evaluator.evaluate(trial.others).identity).sum(1).mean())
    source = FaceScores(*(values[trial.source] for values in before))
    rows = {
        **_differences(trial, after, true, drawn - truth),
        **{
            f"{n}_no_edit": v for n, v in _differences(trial, source, true, trial.sources[trial.source] - truth).items()
        },
        "identity": (after.identity * source.identity).sum(1),
    }
    units = np.unique(trial.unit)
    each = {name: [float(values[trial.unit == unit].mean()) for unit in units] for name, values in rows.items()}
    means = {name: float(np.mean(values)) for name, values in each.items()}
    wrong, unedited = (means[f"changed{which}"] + means[f"leak{which}"] for which in ("", "_no_edit"))
    return {
        "gain": 1 - wrong / unedited,
        **means,
        **{f"{name}_ratio": means[name] / means[f"{name}_no_edit"] for name in ("changed", "pixels")},
        "identity_pairs": pairs,
        "identity_ratio": means["identity"] / pairs,
        "examples": len(trial.unit),
        "units": [AU_NAMES[unit] for unit in units],
        **{f"{name}_of_units": values for name, values in each.items()},
    }


def _differences(trial: Trial, seen: FaceScores, true: FaceScores, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """(M,) of each edit: in the unit that is to change, in the others, and in the pixels."""
    apart = np.abs(seen.aus - true.aus)
    changed = apart[np.arange(len(trial.unit)), trial.unit]
    return {
        "changed": changed,
        "leak": (apart.sum(1) - changed) / (apart.shape[1] - 1),
        "pixels": np.abs(pixels).mean((1, 2, 3)),
    }


def expressions(
    sources: np.ndarray,
    edit: Edit,
    evaluator: ImageEvaluator,
    emotions: Mapping[str, np.ndarray],
    others: np.ndarray | None = None,
) -> dict[str, Any]:
    """How often a recogniser sees the emotion that was asked.

    Args:
      sources: (N, S, S, C) in [0, 1].
      edit: the editor.
      evaluator: what names the expression of the pictures.
      emotions: name -> controls (K,); an emotion that the evaluator has no class for is left out.
      others: (N, S, S, C), another picture of each one's person, for the face evaluator, which tells people apart.

    Returns:
      "accuracy" over all, and that of each emotion by name; with `others` how like the edits are to their sources,
      "identity", "identity_pairs" and "identity_ratio" as `measure` has them. {} if the evaluator knows none of them.
    """
    right: dict[str, float] = {}
    likeness = []
    before = evaluator.evaluate(sources).identity if others is not None else None
    for name, own in _known(emotions, evaluator).items():
        seen = evaluator.evaluate(_edited(sources, edit, emotions[name]))
        right[name] = float((seen.probabilities.argmax(1) == own).mean())
        if before is not None:
            likeness.append((before * seen.identity).sum(1).mean())
    if not right:
        return {}
    found = {"accuracy": float(np.mean(list(right.values()))), **right, "examples": len(sources) * len(right)}
    if before is not None:
        pairs = float((before * evaluator.evaluate(others).identity).sum(1).mean())  # type: ignore[arg-type]
        identity = float(np.mean(likeness))
        found |= {"identity": identity, "identity_pairs": pairs, "identity_ratio": identity / pairs}
    return found


def intensities(
    sources: np.ndarray, edit: Edit, evaluator: ImageEvaluator, emotions: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Whether a recogniser is the surer of an emotion the more of it was asked.

    Args:
      sources: (N, S, S, C) in [0, 1].
      edit: the editor.
      evaluator: what names the expression of the pictures.
      emotions: name -> controls (K,); neutral, and what the evaluator has no class for, is left out.

    Returns:
      "shares": parts of the way from neutral; "probability_of": emotion -> its mean probability at each of them;
      "rising": the part of the emotions of which it is larger at the end than at the start, and falls by more than
      0.02 from no share to the next (once the recogniser is sure, it goes up and down a little); "rank_correlation":
      Spearman's, of share and probability over all pictures, its mean over emotions. {} if the evaluator knows none.
    """
    shares = np.linspace(0, 1, 5)
    means, correlations = {}, []
    for name, own in _known(emotions, evaluator).items():
        if name == "neutral":
            continue
        at = [at_intensity(emotions, name, share) for share in shares]
        said = np.stack([evaluator.evaluate(_edited(sources, edit, wanted)).probabilities[:, own] for wanted in at])
        means[name] = said.mean(1).tolist()
        ranks = spearmanr(np.repeat(shares, len(sources)), said.ravel())
        correlations.append(0.0 if np.isnan(ranks.statistic) else float(ranks.statistic))
    if not means:
        return {}
    return {
        "rising": float(np.mean([v[-1] > v[0] and np.diff(v).min() >= -_SETTLED for v in means.values()])),
        "rank_correlation": float(np.mean(correlations)),
        "shares": shares.tolist(),
        "probability_of": means,
        "examples": len(sources) * len(means) * len(shares),
    }


def _known(emotions: Mapping[str, np.ndarray], evaluator: ImageEvaluator) -> dict[str, int]:
    """Emotions that a recogniser has a class for -> its number."""
    classes = [expression_name(name) for name in evaluator.classes]
    own = {name: expression_name(name) for name in emotions}
    return {name: classes.index(known) for name, known in own.items() if known in classes}


def _edited(sources: np.ndarray, edit: Edit, wanted: np.ndarray) -> np.ndarray:
    return edit(sources, np.tile(np.asarray(wanted, np.float32), (len(sources), 1)))


# ---- true pictures of edits, of rendered faces ----------------------------------------------------------------------


def true_edits(trial: Trial, seed: int, size: int) -> np.ndarray:
    """What the renderer draws of the edits (M, size, size, 3) in [0, 1]: same person, pose and light, other units."""
    jobs = [
        (seed, trial.files[source], tuple(map(float, asked)), size)
        for source, asked in zip(trial.source, trial.asked, strict=True)
    ]
    return _drawn(tuple(jobs))


@functools.lru_cache(maxsize=4)
def _drawn(jobs: tuple[Any, ...]) -> np.ndarray:
    return np.stack(list(in_order(render_edits, jobs))).astype(np.float32) / 255


def render_edits(jobs: list[tuple[int, str, tuple[float, ...], int]]) -> list[np.ndarray]:
    """Pictures of (seed, file, intensities, size) jobs: what a worker process runs. A file is named i0012_p03."""
    pictures = []
    for seed, file, aus, size in jobs:
        person, picture = (int(part[1:]) for part in file.split("_"))
        spec = dataclasses.replace(population.sample(seed, person, picture), aus=np.array(aus, np.float32))
        pictures.append(population.render(spec, size))
    return pictures
