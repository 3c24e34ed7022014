"""Shows the space of expressions that a GANmut learned, by what it makes of a face there.

fer-jax space --workdir=runs/ganmut-tiny face.png test:17 --out=DIR
fer-jax space --workdir=runs/ganmut-tiny face.png --walk=-0.8,-0.8:0.6,0.4 --circle=0.9
fer-jax space --workdir=runs/ganmut-tiny face.png --side=21 --evaluator=runs/classifier

Pictures are files, taken as face crops, or places in the workdir's data such as test:17. For each, --out gets
<name>-emotions.png, the original and every emotion; <name>-grid.png, the face all over the space, on the regions of its
classes (of a space in 3-D: in the three planes through the origin); <name>-map.png and .csv, the expression that an
independent recogniser predicts for these pictures: the package's own for such pictures, or the run --evaluator.
With --walk, <name>-walk.gif, the straight way from a point to another and back; with --circle, <name>-circle.gif, once
around the origin at that distance, in 3-D in the plane of the first two coordinates.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.errors import UsageError

TAKES_NAMES = True


def show(space: Any, picture: np.ndarray, out: Path, name: str, *, side: int, evaluator: Any) -> list[Path]:
    """Writes <name>-emotions.png, -grid.png, -map.png and -map.csv.

    Raises:
      UsageError: they cannot be written.
    """
    from fer_jax.inference.images import write_picture
    from fer_jax.report import images
    from fer_jax.report import space as report

    strip, grid, drawn_map, table = (
        out / f"{name}-{end}" for end in ("emotions.png", "grid.png", "map.png", "map.csv")
    )
    shown = space.draw(picture, space.centres)
    columns = {"original": picture[None], **{c: one[None] for c, one in zip(space.classes, shown, strict=True)}}
    write_picture(images.sheet(columns), strip)
    planes = space.planes(side)
    drawn = [(plane, space.draw(picture, points)) for plane, points in planes]
    write_picture(report.grid(drawn, space.classes), grid)
    shares = [(plane, evaluator.evaluate(pictures).probabilities) for plane, pictures in drawn]
    write_picture(report.predicted(shares, evaluator.name, evaluator.classes, space.classes), drawn_map)
    rows = [
        [*(f"{n:.4g}" for n in point), evaluator.classes[best.argmax()], f"{best.max():.4f}", space.classes[own]]
        for (plane, points), (_, probabilities) in zip(planes, shares, strict=True)
        for point, best, own, there in zip(points, probabilities, space.label(points)[0], plane.inside, strict=True)
        if there
    ]
    try:
        with table.open("w", newline="") as stream:
            csv.writer(stream).writerows([[*space.names, "predicted", "probability", "class_of_space"], *rows])
    except OSError as error:
        raise UsageError(f"{table}: cannot be written: {error.strerror or error}") from error
    return [strip, grid, drawn_map, table]


def _move(space: Any, picture: np.ndarray, points: np.ndarray, path: Path, *, back: bool) -> Path:
    """Writes a GIF of a picture at points (F, D), `back` the same way too."""
    from fer_jax.report import images

    frames = list(space.draw(picture, points))
    scale = max(1, -(-96 // len(picture)))  # as sheets are enlarged
    frames += frames[-2:0:-1] * back
    try:
        images.save_gif(path, frames, milliseconds=flags.FLAGS.milliseconds, scale=scale)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
    return path


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a GANmut run, or one made by import-torch.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_string("out", None, "Folder to write to; default: <workdir>/samples/space.")
    flags.DEFINE_integer("side", 9, "Pictures a side of the grid.", 2, 51)
    flags.DEFINE_string("walk", None, "X,Y:X,Y: two points; in 3-D X,Y,Z:X,Y,Z.")
    flags.DEFINE_float("circle", None, "Distance from the origin.")
    flags.DEFINE_integer("frames", 24, "Pictures of a GIF, one way.", lower_bound=2)
    flags.DEFINE_integer("milliseconds", 80, "Time of each; a GIF holds multiples of 10.", 10, 60000)
    flags.DEFINE_string("evaluator", None, "Folder of a run that recognises expressions; default: the package's own.")
    flags.DEFINE_enum("resize", "bilinear", common.RESIZES, "How files are resized.")


def run(pictures: list[str]) -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    folder = common.required("workdir", "the folder of a GANmut run")
    if not pictures:
        raise UsageError("no picture; name files or places such as test:17")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.cli.pictures import Pictures
    from fer_jax.evaluation import evaluators
    from fer_jax.evaluation.space import Space
    from fer_jax.inference.editor import Editor
    from fer_jax.inference.loading import open_run

    loaded = open_run(folder, step=given.step, only=("ganmut",))
    space, stream = Space.of(Editor(loaded)), loaded.system.editing_stream
    ways = {}
    if given.walk:
        ways["walk"] = space.walk(given.walk, given.frames)
    if given.circle is not None:
        ways["circle"] = space.circle(given.circle, given.frames)
    evaluator = evaluators.load(given.evaluator, "--evaluator", loaded.config.data.streams[stream].source)
    source = Pictures(loaded.config, resize=given.resize)
    originals = [source.read(stream, name) for name in pictures]  # all, before anything is written
    out = Path(given.out) if given.out else folder / "samples" / "space"
    for name, original in zip(common.names_of(pictures), originals, strict=True):
        paths = show(space, original, out, name, side=given.side, evaluator=evaluator)
        paths += [
            _move(space, original, points, out / f"{name}-{way}.gif", back=way == "walk")
            for way, points in ways.items()
        ]
        logging.info("written: %s (checkpoint of step %d)", ", ".join(map(str, paths)), loaded.step)
