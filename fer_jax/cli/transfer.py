"""Puts the expression of one picture on the face of another, and names the expressions that TDGAN recognises in both.

fer-jax transfer --workdir=runs/tdgan-tiny --face=face.jpg --expression=expression.jpg

A picture is a file, or a place in the workdir's data such as test:17; without any, a pair of the data is taken. This is
what the reference's `python main.py` does; it classifies the generated picture only, cuts 8-bit values off instead of
rounding, and draws other noise each time.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.errors import UsageError


def table(probabilities: Mapping[tuple[str, str], np.ndarray], classes: tuple[str, ...]) -> str:
    """Lines of text: picture, recogniser and its class, then the probability of every class in percent."""
    from fer_jax.inference.transfer import RECOGNISERS

    rows = [["picture, recogniser: class", *classes]]
    for (name, which), shares in probabilities.items():
        best = int(shares.argmax())
        title = f"{name}, {RECOGNISERS[which]}: {classes[best]} {100 * shares[best]:.1f} %"
        rows.append([title, *(f"{100 * share:.1f}" for share in shares)])
    return common.aligned(rows)


def write(pictures: Mapping[str, np.ndarray], out: Path) -> Path:
    """Writes the picture "generated" as `out`, and all side by side as its -sheet; returns the sheet's name.

    Raises:
      UsageError: they cannot be written.
    """
    from fer_jax.inference.images import to_picture, write_picture
    from fer_jax.report import images

    sheet = out.with_name(f"{out.stem}-sheet.png")
    write_picture(to_picture(pictures["generated"]), out)
    write_picture(images.sheet({name: picture[None] for name, picture in pictures.items()}), sheet)
    return sheet


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a TDGAN run.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_string("face", None, "Face: a file, or e.g. train:3; default: the first of the data.")
    flags.DEFINE_string("expression", None, "Expression: a file, or e.g. test:17; default: likewise.")
    flags.DEFINE_string("out", None, "Picture to write; default: <workdir>/samples/transfer.png.")
    flags.DEFINE_integer("seed", 0, "Seed of the noise.")
    flags.DEFINE_enum("resize", "bicubic", common.RESIZES, "How files are resized; the reference's demo is bicubic.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    folder = common.required("workdir", "the folder of a TDGAN run")
    if bool(given.face) != bool(given.expression):
        raise UsageError(f"--{'expression' if given.face else 'face'}: missing; give both pictures, or none")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.cli.pictures import Pictures
    from fer_jax.inference.loading import open_run
    from fer_jax.inference.transfer import recognise, transfer

    loaded = open_run(folder, step=given.step, only=("tdgan",))
    source = Pictures(loaded.config, resize=given.resize)
    pictures = {kind: source.read(kind, given[kind].value or source.first(kind)) for kind in ("face", "expression")}
    pictures["generated"] = transfer(loaded, pictures["face"], pictures["expression"], seed=given.seed)
    out = Path(given.out) if given.out else folder / "samples" / "transfer.png"
    sheet = write(pictures, out)
    shown = {name: pictures[name] for name in ("generated", "expression")}
    print(table(recognise(loaded, shown), loaded.spec.classes["expression"]))
    logging.info("written: %s and %s (checkpoint of step %d)", out, sheet, loaded.step)
