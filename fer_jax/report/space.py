"""Pictures of a space of expressions: what it draws where, and who names it how.

A `Plane` is a cut through the space, seen as a square of [-1, 1] in two of its coordinates. Colours are those of the
reference's own map of its space; a class has the same one everywhere.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from fer_jax.core.labels import expression_name
from fer_jax.report import images
from fer_jax.report.plots import new_figure, rasterised

_COLOURS = {
    "neutral": "tab:blue",
    "happiness": "tab:cyan",
    "sadness": "tab:orange",
    "surprise": "tab:purple",
    "fear": "black",
    "disgust": "tab:gray",
    "anger": "tab:red",
    "contempt": "tab:green",
}
_OTHERS = ("tab:pink", "tab:olive", "tab:brown", "gold", "navy")
_THUMBNAIL = 0.78  # of a cell's side, so that the regions show between the pictures
_INCHES = 8.0  # side of a plane


@dataclasses.dataclass(frozen=True)
class Plane:
    """A cut through the space.

    Attributes:
      axes: names of its two coordinates, to the right and upwards.
      points: (N, 2) middles of the cells of a square grid.
      inside: (N,) whether they belong to the space.
      labels: (R, R) the space's own class of a fine grid, top row first; -1 outside of the space.
      shares: (R, R) in [0, 1], how strongly.
      distances: (R, R, K) in standard deviations, where classes are normal distributions.
      centres: (K, 2) where each class is at its clearest, seen from the front.
      off: (K,) how far in front of or behind the plane that is.
    """

    axes: tuple[str, str]
    points: np.ndarray
    inside: np.ndarray
    labels: np.ndarray
    shares: np.ndarray
    distances: np.ndarray | None
    centres: np.ndarray
    off: np.ndarray

    @property
    def cell(self) -> float:
        """Side of a cell."""
        return 2 / max(round(len(self.points) ** 0.5) - 1, 1)


def colours(classes: Sequence[str]) -> dict[str, Any]:
    """Class -> colour (3,), by its standard name."""
    from matplotlib.colors import to_rgb

    spare = iter(_OTHERS * len(classes))
    return {name: to_rgb(_COLOURS.get(expression_name(name)) or next(spare)) for name in classes}


def grid(planes: Sequence[tuple[Plane, np.ndarray]], classes: Sequence[str]) -> Image.Image:
    """A face drawn all over the space, on the regions of its classes; each frame has the colour of its point's class.

    Args:
      planes: with the pictures (N, S, S, C) in [0, 1] of their points.
      classes: of the space.
    """
    palette = colours(classes)
    figure, panels = new_figure(len(planes), _INCHES, _INCHES + 0.6)
    for panel, (plane, pictures) in zip(panels, planes, strict=True):
        _regions(panel, plane, list(palette.values()))
        half = _THUMBNAIL * plane.cell / 2
        for (x, y), there, picture in zip(plane.points, plane.inside, pictures, strict=True):
            if there:
                shown = np.asarray(images.enlarge(images.to_bytes(picture)))
                panel.imshow(shown, extent=(x - half, x + half, y - half, y + half), zorder=2)
        _marks(panel, plane, palette)
    _legend(figure, palette)
    return rasterised(figure)


def predicted(
    planes: Sequence[tuple[Plane, np.ndarray]], evaluator: str, known: Sequence[str], classes: Sequence[str]
) -> Image.Image:
    """The class predicted for the pictures all over the space: a cell has its colour, the fuller the more probable.

    Args:
      planes: with the probabilities (N, J) of their points.
      evaluator: its name.
      known: the J classes that it tells apart.
      classes: of the space, whose centres are marked.
    """
    palette = colours(known)
    table = np.array(list(palette.values()))
    figure, panels = new_figure(len(planes), _INCHES, _INCHES + 0.6)
    for panel, (plane, shares) in zip(panels, planes, strict=True):
        side, best = round(len(plane.points) ** 0.5), shares.max(1, keepdims=True)
        cells = np.where(plane.inside[:, None], 1 - best * (1 - table[shares.argmax(1)]), 1)
        edge = 1 + plane.cell / 2
        panel.imshow(cells.reshape(side, side, 3), extent=(-edge, edge, -edge, edge), interpolation="nearest")
        _marks(panel, plane, colours(classes))
        panel.set_title(f"predicted by {evaluator}")
    _legend(figure, palette)
    return rasterised(figure)


def _regions(panel, plane: Plane, palette: Sequence[Any]) -> None:
    """The background: the space's own class everywhere, and where classes are normal, one standard deviation."""
    table = np.array([*palette, (1.0, 1.0, 1.0)])  # the last one, -1, is outside
    strength = (0.25 + 0.75 * plane.shares)[..., None]
    panel.imshow(1 - strength * (1 - table[plane.labels]), extent=(-1, 1, -1, 1), interpolation="nearest", zorder=0)
    if plane.distances is not None:
        at = np.linspace(-1, 1, len(plane.labels))
        for colour, apart in zip(palette, np.moveaxis(plane.distances, -1, 0), strict=True):
            if apart.min() < 1 < apart.max():
                panel.contour(at, at[::-1], apart, levels=[1], colors=[colour], linewidths=1.5, zorder=3)


def _marks(panel, plane: Plane, palette: Mapping[str, Any]) -> None:
    """Centres with their names; hollow where they lie off the plane."""
    for (name, colour), (x, y), off in zip(palette.items(), plane.centres, plane.off, strict=True):
        filled = "none" if abs(off) > plane.cell / 2 else colour
        panel.plot(
            x, y, "o", markersize=9, markeredgecolor="white", markerfacecolor="none", markeredgewidth=4, zorder=4
        )
        panel.plot(x, y, "o", markersize=9, markeredgecolor=colour, markerfacecolor=filled, markeredgewidth=2, zorder=4)
        box = {"facecolor": "white", "alpha": 0.8, "edgecolor": colour, "boxstyle": "round,pad=0.15"}
        panel.annotate(name, (x, y), (0, 9), textcoords="offset points", ha="center", fontsize=9, bbox=box, zorder=5)
    edge = 1 + plane.cell / 2
    panel.set(xlim=(-edge, edge), ylim=(-edge, edge), xlabel=plane.axes[0], ylabel=plane.axes[1], aspect="equal")


def _legend(figure, palette: Mapping[str, Any]) -> None:
    from matplotlib.patches import Patch

    shown = [Patch(color=colour, label=name) for name, colour in palette.items()]
    figure.legend(handles=shown, loc="outside lower center", ncols=len(shown))
