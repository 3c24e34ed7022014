"""Edits a face: asks an editor for action units, an emotion or a point of its space, and shows the way there.

python -m fer_jax.cli.edit --workdir=runs/au_cyclegan-tiny face.png --au=AU12=1 --au=AU04=0.5
python -m fer_jax.cli.edit --workdir=runs/au_cyclegan-tiny test:17 --emotion=happiness --intensity=0.7
python -m fer_jax.cli.edit --workdir=runs/ganmut-tiny face.png --at=0.6,0.4
python -m fer_jax.cli.edit --workdir=runs/ganmut-tiny_linear face.png --theta=1.2 --rho=0.8
python -m fer_jax.cli.edit --workdir=runs/ganmut-tiny photo.jpg --box=40,30,96,120 --emotion=happiness

Pictures are files, taken as face crops, or places in the workdir's data such as test:17. For each, the folder --out
gets <name>.png, the edited picture, <name>-sheet.png, original, reconstruction and edited side by side, and <name>.gif,
the way from the original to what was asked. What is not asked stays as the system's own critic sees it in the picture.

With --box, files are whole photographs, and the face there (x, y, width, height in pixels) is edited: <name>.png is
the photograph then, sheet and GIF are of the face.
"""

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags, logging
from PIL import Image

from fer_jax.cli import common
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import expression_name
from fer_jax.faces import paste


@dataclasses.dataclass(frozen=True)
class Edited:
    """One picture and what became of it, each (S, S, C) in [0, 1].

    Attributes:
      reconstruction: drawn again with what it shows.
      frames: (F, S, S, C), from the reconstruction to what was asked.
      goal: (K,) what was asked, by `Editor.controls`.
    """

    original: np.ndarray
    reconstruction: np.ndarray
    frames: np.ndarray
    goal: np.ndarray


class Wish(NamedTuple):
    """What a command line asks for; the later ones override the earlier.

    Attributes:
      emotion: by name, "" for none.
      intensity: share of the way from neutral, which is all controls at 0 where the system has no such emotion.
      at: values of all controls, () for none.
      settings: "NAME=VALUE" of single controls.
    """

    emotion: str = ""
    intensity: float = 1.0
    at: tuple[float, ...] = ()
    settings: Sequence[str] = ()

    def controls(self, trained: common.Trained) -> dict[int, float]:
        """Which controls shall have which value.

        Raises:
          UsageError: no such control or emotion (those that there are get listed), or a value out of range.
        """
        from fer_jax.evaluation import editing

        names, wanted = list(trained.system.controls), {}
        if self.emotion:
            known = trained.system.emotions(trained.state)
            emotion = expression_name(self.emotion)
            if emotion not in known:
                raise UsageError(f"--emotion: {self.emotion!r} is not one of {', '.join(known)}")
            wanted = dict(enumerate(map(float, editing.at_intensity(known, emotion, self.intensity))))
        if self.at:
            if len(self.at) != len(names):
                raise UsageError(f"--at: {len(self.at)} values; needed are {len(names)}, of {', '.join(names)}")
            wanted = dict(enumerate(self.at))
        for setting in self.settings:
            name, equals, text = setting.partition("=")
            if not equals or name not in names:
                raise UsageError(f"--au={setting}: write NAME=VALUE, with a name of {', '.join(names)}")
            try:
                wanted[names.index(name)] = float(text)
            except ValueError:
                raise UsageError(f"--au={setting}: {text!r} is not a number") from None
        if not wanted:
            raise UsageError("nothing is asked; give --emotion=NAME, --au=NAME=VALUE, --at, or --theta and --rho")
        low, high = trained.system.control_range
        for control, value in wanted.items():
            if not low <= value <= high:
                raise UsageError(f"{names[control]}={value:g} is outside of {low:g}..{high:g}, which was trained")
        return wanted


def point(at: Sequence[str], theta: float | None, rho: float | None) -> tuple[float, ...]:
    """The values of --at, or the point in the plane that --theta (radians) and --rho say; () without any.

    Raises:
      UsageError: text that is no number, one of --theta and --rho, or all three.
    """
    if (theta is None) != (rho is None):
        raise UsageError("--theta and --rho: give both, or none")
    if at and theta is not None:
        raise UsageError("--at, --theta and --rho: give a point one way")
    if theta is not None and rho is not None:
        return rho * math.cos(theta), rho * math.sin(theta)
    try:
        return tuple(map(float, at))
    except ValueError:
        raise UsageError(f"--at={','.join(at)}: write numbers, e.g. --at=0.6,0.4") from None


def edit(trained: common.Trained, picture: np.ndarray, wanted: Mapping[int, float], frames: int) -> Edited:
    """A picture (S, S, C) in [0, 1] edited in `frames` equal parts of the way."""
    system, state, runner = trained.system, trained.state, trained.runner
    start = np.asarray(runner.controls_of(state, picture[None]))[0]
    goal = start.copy()
    goal[list(wanted)] = list(wanted.values())
    share = np.linspace(0, 1, frames, dtype=np.float32)[:, None]
    way = ((1 - share) * start + share * goal).astype(np.float32)
    pictures, own = np.repeat(picture[None], frames, 0), np.repeat(start[None], frames, 0)
    drawn = np.asarray(runner.edit(state, pictures, way, own))
    for name, before, after in zip(system.controls, start, goal, strict=True):
        if before != after:
            logging.info("%s: %.2f -> %.2f", name, before, after)
    return Edited(picture, drawn[0], drawn, goal)


def in_photograph(
    trained: common.Trained,
    photograph: np.ndarray,
    detector: paste.Detector,
    wanted: Mapping[int, float],
    frames: int,
    *,
    margin: float = 0.0,
    blend: str = "feather",
) -> tuple[np.ndarray, list[Edited]]:
    """The faces of a photograph (H, W, 3) in [0, 1] edited in it -> (the photograph, each face).

    Raises:
      UsageError: no face, or a box that does not lie within the photograph.
    """
    size, faces = {"image_size": trained.spec.image_size, "channels": trained.spec.channels}, []
    whole = photograph
    for square in paste.find(photograph, detector, margin=margin):
        face = edit(trained, paste.cut(whole, square, **size), wanted, frames)
        whole = paste.paste(whole, square, face.original, face.frames[-1], blend=blend)
        faces.append(face)
    return whole, faces


def write(edited: Edited, out: Path, name: str, milliseconds: int, photograph: np.ndarray | None = None) -> list[Path]:
    """Writes <name>.png, the photograph where there is one, <name>-sheet.png and <name>.gif.

    Raises:
      UsageError: they cannot be written.
    """
    from fer_jax.report import images

    final, sheet, moving = (out / f"{name}{ending}" for ending in (".png", "-sheet.png", ".gif"))
    whole = images.to_bytes(edited.frames[-1] if photograph is None else photograph)
    common.write_picture(Image.fromarray(whole[..., 0] if whole.shape[-1] == 1 else whole), final)
    columns = {"original": edited.original, "reconstruction": edited.reconstruction, "edited": edited.frames[-1]}
    common.write_picture(images.sheet({title: picture[None] for title, picture in columns.items()}), sheet)
    scale = max(1, -(-96 // len(edited.original)))  # as sheets are enlarged
    there_and_back = [*edited.frames, *edited.frames[-2:0:-1]]
    try:
        images.save_gif(moving, there_and_back, milliseconds=milliseconds, scale=scale)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written: {error.strerror or error}") from error
    return [final, sheet, moving]


def names_of(pictures: Sequence[str]) -> list[str]:
    """What their results are called: the file's stem, or test-17; numbered where two are the same."""
    stems = [Path(name).stem if Path(name).exists() else name.replace(":", "-").replace("/", "-") for name in pictures]
    return [stem if stems.count(stem) == 1 else f"{stem}-{i}" for i, stem in enumerate(stems)]


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a run of a system that edits.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_multi_string("au", [], "NAME=VALUE: a control and the value it shall have; may be repeated.")
    flags.DEFINE_string("emotion", "", "An emotion by name, as the system defines it.")
    flags.DEFINE_float("intensity", 1.0, "Of the emotion: 0 = neutral, 1 = as the system defines it.", 0.0)
    flags.DEFINE_list("at", [], "Values of all controls, e.g. a point of GANmut's space: 0.6,0.4.")
    flags.DEFINE_float("theta", None, "With --rho: a point by its direction, in radians.")
    flags.DEFINE_float("rho", None, "With --theta: the point's distance from the origin.")
    flags.DEFINE_string("out", None, "Folder to write to; default: <workdir>/samples/edit.")
    flags.DEFINE_integer("frames", 11, "Pictures on the way, both ends included.", lower_bound=2)
    flags.DEFINE_integer("milliseconds", 80, "Time of each; a GIF holds multiples of 10.", 10, 60000)
    flags.DEFINE_multi_string("box", [], "X,Y,WIDTH,HEIGHT of a face in a photograph; may be repeated.")
    flags.DEFINE_float("margin", 0.0, "With --box: share of its longer side that is added all around.", 0.0, 2.0)
    flags.DEFINE_enum("blend", "feather", paste.BLENDS, "With --box: how the face is put back.")
    flags.DEFINE_enum("resize", "bilinear", common.RESIZES, "How files are resized.")


def run(pictures: list[str]) -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    if not given.workdir:
        raise UsageError("--workdir: missing; the folder of a run of a system that edits")
    if not pictures:
        raise UsageError("no picture; name files or places such as test:17")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.core.protocols import Editor

    trained = common.open_workdir(Path(given.workdir), step=given.step)
    if not isinstance(trained.system, Editor):
        raise UsageError(f"--workdir {trained.folder}: a run of {trained.config.system}, which edits nothing")
    at = point(given.at, given.theta, given.rho)
    wanted = Wish(given.emotion, given.intensity, at, given.au).controls(trained)
    out = Path(given.out) if given.out else trained.folder / "samples" / "edit"
    if given.box:
        _in_photographs(trained, pictures, wanted, out)
        return
    source = common.Pictures(trained.config, resize=given.resize)
    originals = [source.read(trained.system.edits, name) for name in pictures]  # all, before anything is written
    for name, original in zip(names_of(pictures), originals, strict=True):
        edited = edit(trained, original, wanted, given.frames)
        _say(write(edited, out, name, given.milliseconds), trained)


def _in_photographs(trained: common.Trained, pictures: Sequence[str], wanted: Mapping[int, float], out: Path) -> None:
    given = flags.FLAGS
    detector = paste.Given(tuple(paste.parse_box(text) for text in given.box))
    how = {"margin": given.margin, "blend": given.blend}
    photographs = [paste.read(name) for name in pictures]
    for photograph in photographs:
        paste.find(photograph, detector, margin=given.margin)  # complains before anything is written
    for name, photograph in zip(names_of(pictures), photographs, strict=True):
        whole, faces = in_photograph(trained, photograph, detector, wanted, given.frames, **how)
        for i, face in enumerate(faces):
            own, shown = (f"{name}-face{i + 1}", None) if i else (name, whole)
            _say(write(face, out, own, given.milliseconds, shown), trained)


def _say(paths: Sequence[Path], trained: common.Trained) -> None:
    logging.info("written: %s (checkpoint of step %d)", ", ".join(map(str, paths)), trained.step)


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv, names=True)
