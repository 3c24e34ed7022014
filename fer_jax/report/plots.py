"""Curves of a run, confusion matrices, annotated matrices, and faces on the plane of valence and arousal."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fer_jax.report import images, record

_LOSSES = ("disc/total", "gen/total", "gen/loss")  # of two networks against each other: they belong in one panel
_COUNTS = ("examples", "step")  # they would flatten every curve beside them
_THUMBNAIL = 36  # longer side of a face on the plane, in points of 1 / 72 inch


def new_figure(columns: int, width: float, height: float):
    """A figure and its panels side by side, each `width` x `height` inches."""
    from matplotlib.figure import Figure  # takes seconds to import; no global state, no display

    figure = Figure(figsize=(width * columns, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def curves(workdir: Path) -> list[Path]:
    """Draws the record: plots/train.png and plots/eval.png, one panel for each network or figure.

    The totals of a GAN's two networks share a panel, and so do a discriminator's answers, D(x) and D(G(z)).
    """
    written = []
    rows = record.read(workdir)
    for kind in ("train", "eval"):
        series = record.series(rows, kind)
        groups: dict[str, list[str]] = {}
        for name in sorted(n for n in series if "/" in n and n.rpartition("/")[2] not in _COUNTS):
            groups.setdefault(_panel_of(name), []).append(name)
        if not groups:
            continue
        figure, panels = new_figure(len(groups), 4.5, 3.5)
        for panel, (group, names) in zip(panels, groups.items(), strict=True):
            for name in names:
                within = name.removeprefix(f"{group}/")  # the whole name in a panel of several networks
                panel.plot(*series[name], label=within, linewidth=1)
            panel.set(title=group, xlabel="step")
            panel.legend(fontsize=7)
        path = workdir / "plots" / f"{kind}.png"
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, dpi=100)
        written.append(path)
    return written


def _panel_of(name: str) -> str:
    group, _, leaf = name.rpartition("/")
    if name in _LOSSES:
        return "losses"
    return "how real the discriminator finds pictures" if leaf in ("on_real", "on_fake") else group


def bars(path: Path, title: str, series: Mapping[str, Sequence[float]], names: Sequence[str], unit: str) -> None:
    """Groups of bars: one group for each name, in it one bar for each series."""
    figure, (panel,) = new_figure(1, max(6, 0.6 * len(names)), 3.5)
    width, at = 0.8 / len(series), np.arange(len(names))
    for i, (label, values) in enumerate(series.items()):
        panel.bar(at + (i - (len(series) - 1) / 2) * width, values, width, label=label)
    panel.set_xticks(at, names, rotation=45, ha="right", fontsize=8)
    panel.set(title=title, ylabel=unit)
    panel.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def confusion(path: Path, matrices: Mapping[str, Sequence[Sequence[int]]], names: Sequence[str]) -> None:
    """Confusion matrices side by side, rows true classes in percent of the class."""
    figure, panels = new_figure(len(matrices), 5, 4.5)
    for panel, (title, counts) in zip(panels, matrices.items(), strict=True):
        matrix = np.asarray(counts, float)
        share = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
        _annotated(panel, share, names, "{:.0f}", cmap="Blues", vmin=0, vmax=100)
        panel.set(title=title, xlabel="predicted", ylabel="true")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def heat_maps(matrices: Mapping[str, np.ndarray], names: Sequence[str]) -> Image.Image:
    """Square matrices of values in [-1, 1] side by side, each value written into its cell."""
    figure, panels = new_figure(len(matrices), 6, 5.5)
    for panel, (title, matrix) in zip(panels, matrices.items(), strict=True):
        _annotated(panel, matrix, names, "{:.2f}", cmap="RdBu_r", vmin=-1, vmax=1)
        panel.set(title=title)
    return rasterised(figure)


def _annotated(panel, matrix: np.ndarray, names: Sequence[str], form: str, **colours) -> None:
    panel.imshow(matrix, **colours)
    for row, col in np.ndindex(*matrix.shape):
        colour = "white" if abs(matrix[row, col]) > colours["vmax"] / 2 else "black"
        text = form.format(matrix[row, col])
        panel.text(col, row, text, ha="center", va="center", fontsize=8, color=colour)
    panel.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    panel.set_yticks(range(len(names)), names, fontsize=8)


def valence_arousal(
    pictures: Sequence[np.ndarray], va: np.ndarray, predicted: Sequence[str], classes: Sequence[str]
) -> Image.Image:
    """Thumbnails on the valence/arousal plane with the unit circle, framed in the colour of their class.

    What lies outside of [-1, 1] is drawn at the edge.

    Args:
      pictures: (H, W, 1 or 3) in [0, 1].
      va: (N, 2).
      predicted: the class of each.
      classes: all that there are.
    """
    from matplotlib import colormaps
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage
    from matplotlib.patches import Circle, Patch

    figure, (panel,) = new_figure(1, 10, 9)
    colours = dict(zip(classes, colormaps["tab10"](np.arange(len(classes)) % 10), strict=True))
    panel.add_patch(Circle((0, 0), 1, fill=False, color="grey"))
    panel.axhline(0, color="lightgrey", linewidth=1)
    panel.axvline(0, color="lightgrey", linewidth=1)
    for picture, at, name in zip(pictures, np.clip(va, -1, 1), predicted, strict=True):
        face = OffsetImage(
            np.asarray(images.enlarge(images.to_bytes(picture))), zoom=_THUMBNAIL / max(picture.shape[:2])
        )
        frame = {"edgecolor": colours[name], "linewidth": 2}
        panel.add_artist(AnnotationBbox(face, at, pad=0, bboxprops=frame))
    panel.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), xlabel="valence", ylabel="arousal", aspect="equal")
    panel.set(xticks=np.linspace(-1, 1, 5), yticks=np.linspace(-1, 1, 5))
    shown = [Patch(color=colour, label=name) for name, colour in colours.items() if name in predicted]
    figure.legend(handles=shown, loc="outside right upper")
    return rasterised(figure)


def rasterised(figure) -> Image.Image:
    """A figure as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
