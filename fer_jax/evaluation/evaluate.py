"""Figures of a whole split, and sample sheets, from a state or a workdir."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import logging

from fer_jax.core.protocols import Editor, Generator
from fer_jax.core.state import TrainState
from fer_jax.data import Data
from fer_jax.report import images, plots
from fer_jax.train.mesh import Runner


def evaluate(
    runner: Runner, state: TrainState, data: Data, split: str, config: Any, *, final: bool = False
) -> dict[str, Any]:
    """The system's figures of a split, from every example once, and an editor's or a generator's figures.

    `final` is for a run's result: more edits or samples are looked at than during it.
    """
    figures = runner.system.score(outputs(runner, state, data, split))
    if isinstance(runner.system, Editor):
        from fer_jax.evaluation import editors as editor

        figures |= editor.figures(runner, state, data, split, config.measures, final=final)
    if isinstance(runner.system, Generator):
        from fer_jax.evaluation import sampling as generator

        figures |= generator.figures(runner, state, data, split, config.measures, final=final)
    return figures


def outputs(runner: Runner, state: TrainState, data: Data, split: str) -> dict[str, np.ndarray]:
    """What the system's `eval_step` gives for every example of a split, in the data's order: name -> (N, ...)."""
    collected: list[Any] = []
    for batch in data.evaluate(split):
        batch = dict(batch)
        mask = runner.to_devices(batch.pop("mask"))
        given = runner.eval_step(state, runner.to_devices(batch))
        collected.append(jax.device_get({**given, "mask": runner.gather(mask)["mask"]}))
    mask = np.concatenate([given["mask"] for given in collected])
    return {name: np.concatenate([given[name] for given in collected])[mask] for name in collected[0] if name != "mask"}


def write_evaluation(workdir: Path, split: str, figures: dict[str, Any], about: dict[str, Any], data: Data) -> Path:
    """Writes eval/<split>.json and the confusion matrices; host 0 calls it."""
    path = workdir / "eval" / f"{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = data.spec.classes.get("expression", ())
    path.write_text(json.dumps({**about, "split": split, "classes": names, **figures}, indent=2) + "\n")
    matrices = {
        f"{name}: {split}, accuracy {values['accuracy']:.3f}": values["confusion"]
        for name, values in figures.items()
        if "confusion" in values
    }
    if "edit" in figures:
        _plot_units(workdir / "plots", split, figures["edit"])
    if "intensity" in figures:
        _plot_intensities(workdir / "plots", split, figures["intensity"])
    if matrices:
        plots.confusion(workdir / "plots" / f"confusion_{split}.png", matrices, names)
    return path


def _plot_units(folder: Path, split: str, edit: dict[str, Any]) -> None:
    """Of each unit: the error of the changed one, and what leaks into the others."""
    for name, what in (("changed", "the unit that was to change"), ("leak", "the other units")):
        series = {"no edit": edit[f"{name}_no_edit_of_units"], "edited": edit[f"{name}_of_units"]}
        title = f"{split}: difference to the true picture in {what}, as the face judge reads it"
        plots.bars(folder / f"{name}_{split}.png", title, series, edit["units"], "intensity")


def _plot_intensities(folder: Path, split: str, intensity: dict[str, Any]) -> None:
    """Of each emotion: how sure the recogniser is of it, by how much of it was asked."""
    names, columns = list(intensity["probability_of"]), zip(*intensity["probability_of"].values(), strict=True)
    series = {f"{share:.0%}": list(column) for share, column in zip(intensity["shares"], columns, strict=True)}
    title = f"{split}: probability of the emotion that was asked, at shares of the way from neutral"
    plots.bars(folder / f"intensity_{split}.png", title, series, names, "probability")


def write_sample(
    runner: Runner, state: TrainState, data: Data, workdir: Path, step: int, *, split: str, rows: int
) -> Path:
    """Writes samples/<step>.png: the same pictures and the same noise at every step."""
    batch = dict(data.some(split, rows))
    batch.pop("mask")
    columns = runner.sample(state, runner.to_devices(batch, split=False), runner.key)
    path = workdir / "samples" / f"{step:09d}.png"
    if jax.process_index() == 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        named = dict(zip(runner.system.columns, jax.device_get(columns), strict=True))
        images.sheet(named).save(path)
    if isinstance(runner.system, Editor):
        from fer_jax.evaluation import editors as editor

        grid, values = editor.grid(runner, state, data.at(split, np.array([0])))
        if jax.process_index() == 0:
            images.sheet(grid, rows=[f"{value:.2f}" for value in values]).save(path.with_stem(f"{path.stem}_controls"))
    return path


def log_figures(title: str, figures: dict[str, Any]) -> None:
    """One console line for each recogniser."""
    for name, values in figures.items():
        numbers = ", ".join(f"{k} {v:.4f}" for k, v in values.items() if isinstance(v, float))
        logging.info("%s: %s: %s (%d pictures)", title, name, numbers, values.get("examples", 0))
