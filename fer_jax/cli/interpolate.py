"""Blends two faces, or two expressions, in the space of TDGAN's encoders: a strip of stills and a GIF.

python -m fer_jax.cli.interpolate --workdir=runs/tdgan-tiny --face=a.jpg --face=b.jpg --expression=c.jpg
python -m fer_jax.cli.interpolate --workdir=runs/tdgan-tiny --face=train:0 --expression=test:1 --expression=test:2

Given twice is what varies. A picture is a file, or a place in the workdir's data such as test:17. With encoder features
f_a and f_b of the two, the decoder gets (1 - a) f_a + a f_b, and the other feature and the noise stay the same (the
reference's README, "Expression/Face interpolation"; its code for it does not run).
"""

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.errors import UsageError

STILLS = 11
_CHUNK = 16  # pictures decoded at once


@dataclasses.dataclass(frozen=True)
class Blend:
    """What is blended, each picture (S, S, C) in [0, 1].

    Attributes:
      varied: "face" or "expression".
      ends: the two pictures of it.
      fixed: the picture of the other kind.
    """

    varied: str
    ends: tuple[np.ndarray, np.ndarray]
    fixed: np.ndarray


def read_blend(pictures: common.Pictures, faces: Sequence[str], expressions: Sequence[str]) -> Blend:
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
    return Blend(varied, (first, second), pictures.read(fixed, named[fixed][0]))


def decoder(trained: common.Trained, blend: Blend, *, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Shares a (N,) of the second picture in [0, 1] -> pictures (N, S, S, C) in (0, 1).

    At 0 and 1 the decoder gets one end's own features. The noise is uniform [0, 1), drawn once from `seed`.
    """
    import jax
    import jax.numpy as jnp

    from fer_jax.systems.tdgan.networks import Codes

    system = trained.system
    noise = np.asarray(system.draw_noise(jax.random.key(seed), 1).generate)
    params = trained.state.nets["gen"].averaged

    @jax.jit
    def encode(params, face, expression):
        def code(kind, pictures):
            return system.gen.apply({"params": params}, pictures, method=f"encode_{kind}")

        return Codes(code("face", face), code("expression", expression))

    @jax.jit
    def decode(params, codes, noise):
        noise = jnp.broadcast_to(noise, (len(codes.face), *noise.shape[1:]))
        return system.gen.apply({"params": params}, codes, noise, method="decode")

    pairs = {"face": (blend.fixed,) * 2, "expression": (blend.fixed,) * 2, blend.varied: blend.ends}
    ends = jax.device_get(encode(params, **{kind: np.stack(pair) for kind, pair in pairs.items()}))

    def mixed(kind: str, shares: np.ndarray) -> np.ndarray:
        first, second = getattr(ends, kind)
        if kind != blend.varied:
            return np.broadcast_to(first, (len(shares), *first.shape))
        return (1 - shares)[:, None, None, None] * first + shares[:, None, None, None] * second

    def pictures(shares: np.ndarray) -> np.ndarray:
        padded = np.resize(shares, -(-len(shares) // _CHUNK) * _CHUNK).astype(np.float32)
        parts = [
            decode(params, ends._replace(face=mixed("face", part), expression=mixed("expression", part)), noise)
            for part in padded.reshape(-1, _CHUNK)
        ]
        return np.concatenate(jax.device_get(parts))[: len(shares)]

    return pictures


def strip(blend: Blend, stills: np.ndarray) -> Mapping[str, np.ndarray]:
    """Columns of `images.sheet`: the stills, each under its share, and above them the ends and what is fixed."""
    white = np.ones_like(blend.fixed)
    above = [white] * len(stills)
    above[0], above[len(stills) // 2], above[-1] = blend.ends[0], blend.fixed, blend.ends[1]
    notes = {0: f"{blend.varied} A", len(stills) // 2: "fixed", len(stills) - 1: f"{blend.varied} B"}
    shares = np.linspace(0, 1, len(stills))
    return {
        f"{share:.1f} {notes.get(i, '')}".rstrip(): np.stack([above[i], stills[i]]) for i, share in enumerate(shares)
    }


def interpolate(
    trained: common.Trained, blend: Blend, out: Path, *, seed: int = 0, frames: int = 26, milliseconds: int = 50
) -> tuple[Path, Path]:
    """Writes `out`/strip.png and `out`/interpolation.gif.

    Raises:
      UsageError: fewer than 2 frames, a time that a GIF cannot hold, or `out` cannot be written.
    """
    from fer_jax.report import images

    if frames < 2 or not 10 <= milliseconds <= 60000:
        raise UsageError(f"--frames {frames}, --milliseconds {milliseconds}: at least 2, and 10 to 60000, are needed")
    pictures = decoder(trained, blend, seed=seed)
    still, moving = out / "strip.png", out / "interpolation.gif"
    common.write_picture(images.sheet(strip(blend, pictures(np.linspace(0, 1, STILLS)))), still)
    scale = max(1, -(-96 // trained.spec.image_size))  # as sheets are enlarged
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
    flags.DEFINE_integer("seed", 0, "Of the noise, the same for all pictures.")
    flags.DEFINE_integer("frames", 26, "Pictures of the GIF.")
    flags.DEFINE_integer("milliseconds", 50, "Time of each; a GIF holds multiples of 10.")
    flags.DEFINE_enum("resize", "bilinear", common.RESIZES, "How files are resized.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    if not given.workdir:
        raise UsageError("--workdir: missing; the folder of a TDGAN run")
    from fer_jax.cli import runtime

    runtime.start()
    trained = common.open_workdir(Path(given.workdir), step=given.step, only=("tdgan",))
    blend = read_blend(common.Pictures(trained.config, resize=given.resize), given.face, given.expression)
    out = Path(given.out) if given.out else trained.folder / "samples" / f"interpolation-{blend.varied}"
    options = {"seed": given.seed, "frames": given.frames, "milliseconds": given.milliseconds}
    for path in interpolate(trained, blend, out, **options):
        logging.info("written: %s (checkpoint of step %d)", path, trained.step)


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv)
