"""Curves of a run, and confusion matrices."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fer_jax.report import record


def _figure(columns: int, width: float, height: float):
    from matplotlib.figure import Figure  # takes seconds to import; no global state, no display

    figure = Figure(figsize=(width * columns, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def curves(workdir: Path) -> list[Path]:
    """Draws the record: plots/train.png and plots/eval.png, one panel for each network or figure."""
    written = []
    rows = record.read(workdir)
    for kind in ("train", "eval"):
        series = record.series(rows, kind)
        groups = {
            name: list(members)
            for name, members in itertools.groupby(
                # How many examples a figure is of would flatten every curve beside it.
                sorted(n for n in series if "/" in n and not n.endswith("/examples")),
                key=lambda n: n.rpartition("/")[0],
            )
        }
        if not groups:
            continue
        figure, panels = _figure(len(groups), 4.5, 3.5)
        for panel, (group, names) in zip(panels, groups.items(), strict=True):
            for name in names:
                panel.plot(*series[name], label=name.rpartition("/")[2], linewidth=1)
            panel.set(title=group, xlabel="step")
            panel.legend(fontsize=7)
        path = workdir / "plots" / f"{kind}.png"
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, dpi=100)
        written.append(path)
    return written


def confusion(path: Path, matrices: Mapping[str, Sequence[Sequence[int]]], names: Sequence[str]) -> None:
    """Confusion matrices side by side, rows true classes in percent of the class."""
    figure, panels = _figure(len(matrices), 5, 4.5)
    for panel, (title, counts) in zip(panels, matrices.items(), strict=True):
        matrix = np.asarray(counts, float)
        share = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
        panel.imshow(share, cmap="Blues", vmin=0, vmax=100)
        for row, col in np.ndindex(*share.shape):
            colour = "white" if share[row, col] > 50 else "black"
            panel.text(col, row, f"{share[row, col]:.0f}", ha="center", va="center", fontsize=8, color=colour)
        panel.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
        panel.set_yticks(range(len(names)), names, fontsize=8)
        panel.set(title=title, xlabel="predicted", ylabel="true")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
