"""Edits a face by action units, an emotion or a point of the editor's space, and shows the way there.

fer-jax edit --workdir=runs/au_cyclegan-tiny face.png --au=AU12=1 --au=AU04=0.5
fer-jax edit --workdir=runs/au_cyclegan-tiny test:17 --emotion=happiness --intensity=0.7
fer-jax edit --workdir=runs/ganmut-tiny face.png --at=0.6,0.4
fer-jax edit --workdir=runs/ganmut-tiny_linear face.png --theta=1.2 --rho=0.8
fer-jax edit --workdir=runs/ganmut-tiny photo.jpg --box=40,30,96,120 --emotion=happiness

Pictures are files, taken as face crops, or places in the workdir's data such as test:17. For each, the folder --out
gets <name>.png, the edited picture, <name>-sheet.png, original, reconstruction and edited side by side, and <name>.gif,
the way from the original to the edit. What is not asked for stays as the system's own critic reads it in the picture.

With --box, files are whole photographs, and the face there (x, y, width, height in pixels) is edited: <name>.png is
the photograph then, sheet and GIF are of the face.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.errors import UsageError

TAKES_NAMES = True


def controls_of(settings: Sequence[str]) -> dict[str, float]:
    """["AU12=1"] -> {"AU12": 1.0}.

    Raises:
      UsageError: not of that form.
    """
    found = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        try:
            found[name] = float(text)
        except ValueError:
            raise UsageError(f"--au={setting}: write NAME=VALUE, e.g. --au=AU12=1") from None
    return found


def point(at: Sequence[str], theta: float | None, rho: float | None) -> tuple[float, ...] | None:
    """The values of --at, or the point in the plane at --theta (radians) and --rho; None without any.

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
        return tuple(map(float, at)) or None
    except ValueError:
        raise UsageError(f"--at={','.join(at)}: write numbers, e.g. --at=0.6,0.4") from None


def write(face: Any, out: Path, name: str, milliseconds: int, photograph: np.ndarray | None = None) -> list[Path]:
    """Writes <name>.png, the photograph where there is one, <name>-sheet.png and <name>.gif.

    Raises:
      UsageError: they cannot be written.
    """
    from fer_jax.inference.images import to_picture, write_picture
    from fer_jax.report import images

    final, sheet, moving = (out / f"{name}{ending}" for ending in (".png", "-sheet.png", ".gif"))
    write_picture(to_picture(face.frames[-1] if photograph is None else photograph), final)
    columns = {"original": face.original, "reconstruction": face.reconstruction, "edited": face.frames[-1]}
    write_picture(images.sheet({title: picture[None] for title, picture in columns.items()}), sheet)
    scale = max(1, -(-96 // len(face.original)))  # as sheets are enlarged
    there_and_back = [*face.frames, *face.frames[-2:0:-1]]
    try:
        images.save_gif(moving, there_and_back, milliseconds=milliseconds, scale=scale)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written: {error.strerror or error}") from error
    return [final, sheet, moving]


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a run of a system that edits.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_multi_string("au", [], "NAME=VALUE: a control and its value; may be repeated.")
    flags.DEFINE_string("emotion", None, "An emotion by name, as the system defines it.")
    flags.DEFINE_float("intensity", 1.0, "Intensity of the emotion: 0 = neutral, 1 = as the system defines it.", 0.0)
    flags.DEFINE_list("at", [], "Values of all controls, e.g. a point of GANmut's space: 0.6,0.4.")
    flags.DEFINE_float("theta", None, "With --rho: a point by its direction, in radians.")
    flags.DEFINE_float("rho", None, "With --theta: the point's distance from the origin.")
    flags.DEFINE_string("out", None, "Folder to write to; default: <workdir>/samples/edit.")
    flags.DEFINE_integer("frames", 11, "Pictures on the way, both ends included.", lower_bound=2)
    flags.DEFINE_integer("milliseconds", 80, "Time of each; a GIF holds multiples of 10.", 10, 60000)
    flags.DEFINE_multi_string("box", [], "X,Y,WIDTH,HEIGHT of a face in a photograph; may be repeated.")
    flags.DEFINE_float("margin", 0.0, "With --box: share of its longer side that is added all around.", 0.0, 2.0)
    flags.DEFINE_enum("blend", "feather", ("feather", "poisson"), "With --box: how the face is put back.")
    flags.DEFINE_enum("resize", "bilinear", common.RESIZES, "How files are resized.")


def run(pictures: list[str]) -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    folder = common.required("workdir", "the folder of a run of a system that edits")
    if not pictures:
        raise UsageError("no picture; name files or places such as test:17")
    wanted = {
        "aus": controls_of(given.au),
        "emotion": given.emotion,
        "intensity": given.intensity,
        "point": point(given.at, given.theta, given.rho),
    }
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.cli.pictures import Pictures
    from fer_jax.inference.editor import Editor, edit_face
    from fer_jax.inference.loading import open_run

    editor = Editor(open_run(folder, step=given.step))
    goal = editor.goal(**wanted)
    out = Path(given.out) if given.out else folder / "samples" / "edit"
    if given.box:
        _in_photographs(editor, pictures, goal, out)
        return
    stream = editor.run.system.editing_stream
    source = Pictures(editor.run.config, resize=given.resize)
    originals = [source.read(stream, name) for name in pictures]  # all, before anything is written
    for name, original in zip(common.names_of(pictures), originals, strict=True):
        face = edit_face(editor, original, goal, given.frames)
        _report(editor, face, write(face, out, name, given.milliseconds))


def _in_photographs(editor: Any, pictures: Sequence[str], goal: dict[int, float], out: Path) -> None:
    from fer_jax.faces import paste
    from fer_jax.inference import images
    from fer_jax.inference.editor import edit_photograph

    given = flags.FLAGS
    detector = paste.Given(tuple(paste.parse_box(text) for text in given.box))
    photographs = [np.tile(image, (1, 1, 3 // image.shape[-1])) for image in map(images.read, pictures)]
    scaled = [photograph.astype(np.float32) / 255 for photograph in photographs]
    for photograph in scaled:
        paste.find(photograph, detector, margin=given.margin)  # complains before anything is written
    for name, photograph in zip(common.names_of(pictures), scaled, strict=True):
        whole, faces = edit_photograph(
            editor, photograph, detector, goal, given.frames, margin=given.margin, blend=given.blend
        )
        for i, face in enumerate(faces):
            own, shown = (f"{name}-face{i + 1}", None) if i else (name, whole)
            _report(editor, face, write(face, out, own, given.milliseconds, shown))


def _report(editor: Any, face: Any, paths: Sequence[Path]) -> None:
    for name, before, after in zip(editor.controlled.controls, face.controls[0], face.controls[-1], strict=True):
        if before != after:
            logging.info("%s: %.2f -> %.2f", name, before, after)
    logging.info("written: %s (checkpoint of step %d)", ", ".join(map(str, paths)), editor.run.step)
