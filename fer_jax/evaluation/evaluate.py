"""Figures of a whole split, and sample sheets."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fer_jax.core.config import SystemConfig
from fer_jax.core.protocols import ControlledSystem, SamplingSystem
from fer_jax.core.state import TrainState
from fer_jax.data.opening import Data
from fer_jax.evaluation import editors, sampling
from fer_jax.inference.runner import Runner
from fer_jax.report import images, plots


@dataclasses.dataclass(frozen=True)
class Evaluator:
    """Evaluates a system on the splits of a run's data."""

    runner: Runner
    data: Data
    config: SystemConfig

    def figures(self, state: TrainState, split: str, *, final: bool = False) -> dict[str, Any]:
        """The system's figures of a split, from every example once, and those of its edits or samples.

        `final` is for a run's result: more edits or samples are made than during it.
        """
        found = self.runner.system.score(outputs(self.runner, state, self.data, split))
        config: Any = self.config
        if isinstance(self.runner.system, ControlledSystem):
            found |= editors.figures(self.runner, state, self.data, split, config.measures, final=final)
        if isinstance(self.runner.system, SamplingSystem):
            found |= sampling.figures(self.runner, state, self.data, split, config.measures, final=final)
        return found

    def write(self, folder: Path, split: str, figures: dict[str, Any], about: dict[str, Any]) -> Path:
        """Writes eval/<split>.json and the confusion matrices; host 0 calls it."""
        return write_figures(folder, split, figures, about, self.data.spec.classes.get("expression", ()))

    def write_sample(self, state: TrainState, folder: Path, step: int, *, split: str) -> Path:
        """Writes samples/<step>.png: the same images and the same noise at every step."""
        runner = self.runner
        batch = dict(self.data.some(split, self.config.run.sample_rows))
        batch.pop("mask")
        columns = runner.sample(state, runner.to_devices(batch, split=False), runner.key)
        path = folder / "samples" / f"{step:09d}.png"
        if jax.process_index() == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            named = dict(zip(runner.system.columns, jax.device_get(columns), strict=True))
            images.sheet(named).save(path)
        if isinstance(runner.system, ControlledSystem):
            grid, values = editors.grid(runner, state, self.data.at(split, np.array([0])))
            if jax.process_index() == 0:
                images.sheet(grid, rows=[f"{value:.2f}" for value in values]).save(
                    path.with_stem(f"{path.stem}_controls")
                )
        return path


def outputs(runner: Runner, state: TrainState, data: Data, split: str) -> dict[str, np.ndarray]:
    """Outputs of the system's `eval_step` for every example of a split, in the data's order: name -> (N, ...)."""
    collected: list[Any] = []
    key = runner.constant_key
    for batch in data.evaluate(split):
        batch = dict(batch)
        mask = runner.to_devices(batch.pop("mask"))
        found = runner.eval_step(state, runner.to_devices(batch), key)
        collected.append(jax.device_get({**found, "mask": runner.gather(mask)["mask"]}))
    mask = np.concatenate([found["mask"] for found in collected])
    return {name: np.concatenate([found[name] for found in collected])[mask] for name in collected[0] if name != "mask"}


def write_figures(
    folder: Path, split: str, figures: dict[str, Any], about: dict[str, Any], names: tuple[str, ...]
) -> Path:
    """Writes eval/<split>.json and the plots of a split's figures.

    Args:
      folder: the workdir.
      split: whose figures they are.
      figures: of `Evaluator.figures`.
      about: how the checkpoint was chosen.
      names: of the expressions.
    """
    path = folder / "eval" / f"{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**about, "split": split, "classes": names, **figures}, indent=2) + "\n")
    matrices = {
        f"{name}: {split}, accuracy {values['accuracy']:.3f}": values["confusion"]
        for name, values in figures.items()
        if "confusion" in values
    }
    if "edit" in figures:
        _plot_units(folder / "plots", split, figures["edit"])
    if "intensity" in figures:
        _plot_intensities(folder / "plots", split, figures["intensity"])
    if matrices:
        plots.confusion(folder / "plots" / f"confusion_{split}.png", matrices, names)
    return path


def _plot_units(folder: Path, split: str, edit: dict[str, Any]) -> None:
    """Draws each unit's error where it was to change, and what leaks into the others."""
    for name, what in (("changed", "the unit that was to change"), ("leak", "the other units")):
        series = {"no edit": edit[f"{name}_no_edit_of_units"], "edited": edit[f"{name}_of_units"]}
        title = f"{split}: difference to the true picture in {what}, as the face evaluator reads it"
        plots.bars(folder / f"{name}_{split}.png", title, series, edit["units"], "intensity")


def _plot_intensities(folder: Path, split: str, intensity: dict[str, Any]) -> None:
    """Draws each emotion's probability by the intensity that was asked for."""
    names, columns = list(intensity["probability_of"]), zip(*intensity["probability_of"].values(), strict=True)
    series = {f"{share:.0%}": list(column) for share, column in zip(intensity["shares"], columns, strict=True)}
    title = f"{split}: probability of the emotion that was asked for, at shares of the way from neutral"
    plots.bars(folder / f"intensity_{split}.png", title, series, names, "probability")
