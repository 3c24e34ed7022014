"""Blends two faces, or two expressions, in the space of TDGAN's encoders: a strip of stills and a GIF.

fer-jax interpolate --workdir=runs/tdgan-tiny --face=a.jpg --face=b.jpg --expression=c.jpg
fer-jax interpolate --workdir=runs/tdgan-tiny --face=train:0 --expression=test:1 --expression=test:2

Given twice is what varies. A picture is a file, or a place in the workdir's data such as test:17. With encoder features
f_a and f_b of the two, the decoder gets (1 - a) f_a + a f_b, and the other feature and the noise stay the same (the
reference's README, "Expression/Face interpolation"; its code for it does not run).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.errors import UsageError

STILLS = 11


def read_blend(pictures: Any, faces: Sequence[str], expressions: Sequence[str]) -> Any:
    """Reads the three pictures; what is named twice varies.

    Raises:
      UsageError: other than two of one and one of the other, or a picture cannot be read.
    """
    named = {"face": faces, "expression": expressions}
    counts = {kind: len(names) for kind, names in named.items()}
    if sorted(counts.values()) != [1, 2]:
        raise UsageError(
            "give two --face and one --expression, or one --face and two --expression; "
            f"there are {counts['face']} and {counts['expression']}"
        )
    varied, fixed = sorted(counts, key=counts.__getitem__, reverse=True)
    first, second = (pictures.read(varied, name) for name in named[varied])
    from fer_jax.inference.transfer import Blend

    return Blend(varied, (first, second), pictures.read(fixed, named[fixed][0]))


def strip(blend: Any, stills: np.ndarray) -> Mapping[str, np.ndarray]:
    """Columns of `images.sheet`: the stills, each under its share, and above them the ends and what is fixed."""
    white = np.ones_like(blend.fixed)
    above = [white] * len(stills)
    above[0], above[len(stills) // 2], above[-1] = blend.ends[0], blend.fixed, blend.ends[1]
    notes = {0: f"{blend.varied} A", len(stills) // 2: "fixed", len(stills) - 1: f"{blend.varied} B"}
    shares = np.linspace(0, 1, len(stills))
    return {
        f"{share:.1f} {notes.get(i, '')}".rstrip(): np.stack([above[i], stills[i]]) for i, share in enumerate(shares)
    }


def write(
    pictures: Callable[[np.ndarray], np.ndarray], blend: Any, out: Path, *, frames: int = 26, milliseconds: int = 50
) -> tuple[Path, Path]:
    """Writes `out`/strip.png and `out`/interpolation.gif.

    Args:
      pictures: of `fer_jax.inference.transfer.decoder`.
      blend: what is blended.
      out: folder.
      frames: of the GIF.
      milliseconds: time of each.

    Raises:
      UsageError: fewer than 2 frames, a time that a GIF cannot hold, or `out` cannot be written.
    """
    from fer_jax.inference.images import write_picture
    from fer_jax.report import images

    if frames < 2 or not 10 <= milliseconds <= 60000:
        raise UsageError(f"--frames {frames}, --milliseconds {milliseconds}: at least 2, and 10 to 60000, are needed")
    still, moving = out / "strip.png", out / "interpolation.gif"
    write_picture(images.sheet(strip(blend, pictures(np.linspace(0, 1, STILLS)))), still)
    scale = max(1, -(-96 // len(blend.fixed)))  # as sheets are enlarged
    try:
        images.save_gif(moving, list(pictures(np.linspace(0, 1, frames))), milliseconds=milliseconds, scale=scale)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written: {error.strerror or error}") from error
    return still, moving


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a TDGAN run.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_multi_string("face", [], "Face: a file, or e.g. train:3. Given twice, it varies.")
    flags.DEFINE_multi_string("expression", [], "Expression: a file, or e.g. test:17. Given twice, it varies.")
    flags.DEFINE_string("out", None, "Folder to write to; default: <workdir>/samples/interpolation-<what varies>.")
    flags.DEFINE_integer("seed", 0, "Seed of the noise, the same for all pictures.")
    flags.DEFINE_integer("frames", 26, "Pictures of the GIF.")
    flags.DEFINE_integer("milliseconds", 50, "Time of each; a GIF holds multiples of 10.")
    flags.DEFINE_enum("resize", "bilinear", common.RESIZES, "How files are resized.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    folder = common.required("workdir", "the folder of a TDGAN run")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.cli.pictures import Pictures
    from fer_jax.inference.loading import open_run
    from fer_jax.inference.transfer import decoder

    loaded = open_run(folder, step=given.step, only=("tdgan",))
    blend = read_blend(Pictures(loaded.config, resize=given.resize), given.face, given.expression)
    out = Path(given.out) if given.out else folder / "samples" / f"interpolation-{blend.varied}"
    pictures = decoder(loaded, blend, seed=given.seed)
    for path in write(pictures, blend, out, frames=given.frames, milliseconds=given.milliseconds):
        logging.info("written: %s (checkpoint of step %d)", path, loaded.step)
