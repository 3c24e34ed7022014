"""Editing anybody's pictures."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from PIL import Image

from fer_jax.core.errors import UsageError
from fer_jax.core.labels import expression_name
from fer_jax.core.protocols import ControlledSystem, EditingSystem
from fer_jax.faces import paste
from fer_jax.inference.images import InputView, Source, to_picture
from fer_jax.inference.loading import LoadedRun


class Editor:
    """A trained network that edits faces. It is compiled at its first use.

    Attributes:
      run: the run that it is of.
      view: how it is given a picture.
    """

    def __init__(self, run: LoadedRun):
        """Makes one of a run.

        Raises:
          UsageError: the run's system edits nothing.
        """
        if not isinstance(run.system, EditingSystem):
            raise UsageError(f"{run.path}: a run of {run.config.system}, which edits nothing")
        self.run, self._system = run, run.system
        self.view = InputView(run.config, run.system.editing_stream)

    def edit(
        self,
        source: Source,
        *,
        aus: Mapping[str, float] | None = None,
        emotion: str | None = None,
        intensity: float = 1.0,
        point: Sequence[float] | None = None,
        reference: Source | None = None,
        seed: int = 0,
    ) -> Image.Image:
        """A face, edited. What is not asked for stays as the system reads it in the picture.

        Args:
          source: a file, PIL picture or array (H, W, 1 or 3), the crop of a face.
          aus: values of single controls by name, e.g. {"AU12": 1.0}.
          emotion: an expression by name.
          intensity: share of the way from neutral to `emotion`.
          point: values of all controls, e.g. a point of GANmut's space.
          reference: a picture of a face whose condition is taken.
          seed: of systems that draw.

        Returns:
          The face at the network's size.

        Raises:
          UsageError: a bad picture, nothing asked for, or what the system does not know.
        """
        image = self.view(source)
        if reference is not None:
            if aus or emotion or point:
                raise UsageError("edit: a reference goes without aus, emotion and point")
            condition = self.condition_of(self.view(reference)[None], seed=seed)
            return to_picture(np.asarray(self.edited(image[None], condition, seed=seed))[0])
        goal = self.goal(aus=aus, emotion=emotion, intensity=intensity, point=point)
        return to_picture(self.way(image, goal, 2, seed=seed)[0][-1])

    def goal(
        self,
        *,
        aus: Mapping[str, float] | None = None,
        emotion: str | None = None,
        intensity: float = 1.0,
        point: Sequence[float] | None = None,
    ) -> dict[int, float]:
        """Positions of controls -> the values that are asked for; the later argument overrides the earlier, aus last.

        Raises:
          UsageError: nothing is asked for, no such control or expression (those that there are get listed), or a value
            out of range.
        """
        system = self.controlled
        names, wanted = list(system.controls), {}
        if emotion is not None:
            wanted = dict(enumerate(map(float, self._at_intensity(emotion, intensity))))
        if point is not None:
            if len(point) != len(names):
                raise UsageError(f"point: {len(point)} values; needed are {len(names)}, of {', '.join(names)}")
            wanted = dict(enumerate(map(float, point)))
        for name, value in (aus or {}).items():
            if name not in names:
                raise UsageError(f"{name}: no such control; there are {', '.join(names)}")
            wanted[names.index(name)] = float(value)
        if not wanted:
            raise UsageError("nothing is asked for; give aus, emotion or point")
        low, high = system.control_range
        for control, value in wanted.items():
            if not low <= value <= high:
                raise UsageError(f"{names[control]}={value:g} is outside of {low:g}..{high:g}, which was trained")
        return wanted

    def _at_intensity(self, emotion: str, intensity: float) -> np.ndarray:
        known = self.controlled.expressions(self.run.state)
        name = expression_name(emotion)
        if name not in known:
            raise UsageError(f"emotion: {emotion!r} is not one of {', '.join(known)}")
        return at_intensity(known, name, intensity)

    @property
    def controlled(self) -> ControlledSystem:
        """The system, whose condition is named numbers.

        Raises:
          UsageError: it is another one; give a reference picture.
        """
        if not isinstance(self._system, ControlledSystem):
            raise UsageError(f"{self.run.path}: {self.run.config.system} has no controls; give a reference picture")
        return self._system

    def condition_of(self, images: np.ndarray, *, seed: int = 0) -> Any:
        """The condition of images (N, S, S, C) in [0, 1], see `EditingSystem`."""
        return self.run.runner.condition_of(self.run.state, images, jax.random.key(seed))

    def edited(self, images: np.ndarray, condition: Any, source: Any = None, *, seed: int = 0) -> np.ndarray:
        """Images (N, S, S, C) in [0, 1] under a condition, see `EditingSystem`."""
        return np.asarray(self.run.runner.edit(self.run.state, images, condition, source, jax.random.key(seed)))

    def way(
        self, image: np.ndarray, goal: Mapping[int, float], frames: int, *, seed: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """An image (S, S, C) in [0, 1] on its way to a goal, in `frames` equal steps.

        Returns:
          (the images (frames, S, S, C) in [0, 1], of which the first is drawn with the image's own condition; the
          controls (frames, K)).
        """
        start = np.asarray(self.condition_of(image[None], seed=seed))[0]
        end = start.copy()
        end[list(goal)] = list(goal.values())
        share = np.linspace(0, 1, frames, dtype=np.float32)[:, None]
        controls = ((1 - share) * start + share * end).astype(np.float32)
        repeated, own = np.repeat(image[None], frames, 0), np.repeat(start[None], frames, 0)
        return self.edited(repeated, controls, own, seed=seed), controls


@dataclasses.dataclass(frozen=True)
class EditedFace:
    """A face and its edit, each (S, S, C) in [0, 1].

    Attributes:
      original: the face as the network was given it.
      reconstruction: drawn again with its own condition.
      frames: (F, S, S, C), from the reconstruction to the edit.
      controls: (F, K), those of the frames.
    """

    original: np.ndarray
    reconstruction: np.ndarray
    frames: np.ndarray
    controls: np.ndarray


def edit_face(editor: Editor, image: np.ndarray, goal: Mapping[int, float], frames: int) -> EditedFace:
    """An image (S, S, C) in [0, 1] edited in equal steps on the way to a goal, see `Editor.way`."""
    drawn, controls = editor.way(image, goal, frames)
    return EditedFace(image, drawn[0], drawn, controls)


def edit_photograph(
    editor: Editor,
    photograph: np.ndarray,
    detector: paste.Detector,
    goal: Mapping[int, float],
    frames: int,
    *,
    margin: float = 0.0,
    blend: str = "feather",
) -> tuple[np.ndarray, list[EditedFace]]:
    """The faces of a photograph (H, W, 3) in [0, 1] edited in it -> (the photograph, each face).

    Raises:
      UsageError: no face, or a box that does not lie within the photograph.
    """
    side, _, channels = editor.view.shape
    whole, faces = photograph, []
    for square in paste.find(photograph, detector, margin=margin):
        face = edit_face(editor, paste.cut(whole, square, image_size=side, channels=channels), goal, frames)
        whole = paste.paste(whole, square, face.original, face.frames[-1], blend=blend)
        faces.append(face)
    return whole, faces


def at_intensity(expressions: Mapping[str, Any], name: str, intensity: float) -> np.ndarray:
    """Controls (K,) at a share of the way from neutral, which is 0 where there is no such class, to an expression."""
    goal = np.asarray(expressions[name], np.float32)
    neutral = np.asarray(expressions.get("neutral", np.zeros_like(goal)), np.float32)
    return neutral + np.float32(intensity) * (goal - neutral)
