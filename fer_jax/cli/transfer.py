"""Puts the expression of one picture on the face of another, and says which expressions TDGAN sees in both pictures.

python -m fer_jax.cli.transfer --workdir=runs/tdgan-tiny --face=face.jpg --expression=expression.jpg

A picture is a file, or a place in the workdir's data such as test:17; without any, a pair of the data is taken. This is
what the reference's `python main.py` does; it classifies the generated picture only, cuts 8-bit values off instead of
rounding, and draws other noise each time.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from absl import flags, logging
from PIL import Image

from fer_jax.cli import common
from fer_jax.core.errors import UsageError

RECOGNISERS = {"m_er": "M_ER", "d_er": "D_ER"}


def transfer(trained: common.Trained, face: np.ndarray, expression: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Pictures (S, S, C) in [0, 1] -> the generated one, in (0, 1); the noise is drawn from `seed`."""
    import jax

    system = trained.system
    noise = system.draw_noise(jax.random.key(seed), 1).generate
    params = trained.state.nets["gen"].averaged
    generated, _ = jax.jit(system.generate)(params, face[None], expression[None], noise)
    return np.asarray(jax.device_get(generated))[0]


def recognise(trained: common.Trained, pictures: Mapping[str, np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
    """Pictures (S, S, C) by name -> (name, recogniser) -> probabilities (K,) of the expression classes."""
    import jax

    batch = {"image": np.stack(list(pictures.values())), "expression": np.zeros(len(pictures), np.int32)}
    outputs = jax.jit(trained.system.eval_step)(trained.state, {"expression": batch})
    shares = {which: np.asarray(jax.device_get(jax.nn.softmax(outputs[which], -1))) for which in RECOGNISERS}
    return {(name, which): shares[which][i] for i, name in enumerate(pictures) for which in RECOGNISERS}


def table(probabilities: Mapping[tuple[str, str], np.ndarray], classes: tuple[str, ...]) -> str:
    """Lines of text: picture, recogniser and its class, then the probability of every class in percent."""
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
    from fer_jax.report import images

    sheet = out.with_name(f"{out.stem}-sheet.png")
    whole = images.to_bytes(pictures["generated"])
    common.write_picture(Image.fromarray(whole[..., 0] if whole.shape[-1] == 1 else whole), out)
    common.write_picture(images.sheet({name: picture[None] for name, picture in pictures.items()}), sheet)
    return sheet


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a TDGAN run.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_string("face", None, "Whose face: a file, or e.g. train:3; default: the first of the data.")
    flags.DEFINE_string("expression", None, "Whose expression: a file, or e.g. test:17; default: likewise.")
    flags.DEFINE_string("out", None, "Picture to write; default: <workdir>/samples/transfer.png.")
    flags.DEFINE_integer("seed", 0, "Of the noise.")
    flags.DEFINE_enum("resize", "bicubic", common.RESIZES, "How files are resized; the reference's demo is bicubic.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    if not given.workdir:
        raise UsageError("--workdir: missing; the folder of a TDGAN run")
    if bool(given.face) != bool(given.expression):
        raise UsageError(f"--{'expression' if given.face else 'face'}: missing; give both pictures, or none")
    from fer_jax.cli import runtime

    runtime.start()
    trained = common.open_workdir(Path(given.workdir), step=given.step, only=("tdgan",))
    source = common.Pictures(trained.config, resize=given.resize)
    pictures = {kind: source.read(kind, given[kind].value or source.first(kind)) for kind in ("face", "expression")}
    pictures["generated"] = transfer(trained, pictures["face"], pictures["expression"], seed=given.seed)
    out = Path(given.out) if given.out else trained.folder / "samples" / "transfer.png"
    sheet = write(pictures, out)
    shown = {name: pictures[name] for name in ("generated", "expression")}
    print(table(recognise(trained, shown), trained.spec.classes["expression"]))
    logging.info("written: %s and %s (checkpoint of step %d)", out, sheet, trained.step)


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv)
