"""TDGAN's transfer of an expression to another face, and blends of two faces or expressions."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fer_jax.inference.batches import in_batches
from fer_jax.inference.loading import LoadedRun
from fer_jax.systems.tdgan.networks import Codes

RECOGNISERS = {"m_er": "M_ER", "d_er": "D_ER"}
_BATCH = 16


def transfer(run: LoadedRun, face: np.ndarray, expression: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Pictures (S, S, C) in [0, 1] -> the generated one, in (0, 1); the noise is drawn from `seed`."""
    system = run.system
    noise = system.draw_noise(jax.random.key(seed), 1).generate
    params = run.state.nets["gen"].averaged
    generated, _ = run.runner.replicate(system.generate)(params, face[None], expression[None], noise)
    return np.asarray(jax.device_get(generated))[0]


def recognise(run: LoadedRun, pictures: Mapping[str, np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
    """Pictures (S, S, C) by name -> (name, recogniser) -> probabilities (K,) of the expression classes."""
    batch = {"image": np.stack(list(pictures.values())), "expression": np.zeros(len(pictures), np.int32)}
    outputs = run.runner.replicate(run.system.eval_step)(run.state, {"expression": batch}, run.runner.constant_key)
    shares = {which: np.asarray(jax.device_get(jax.nn.softmax(outputs[which], -1))) for which in RECOGNISERS}
    return {(name, which): shares[which][i] for i, name in enumerate(pictures) for which in RECOGNISERS}


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


def decoder(run: LoadedRun, blend: Blend, *, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Shares a (N,) of the second picture in [0, 1] -> pictures (N, S, S, C) in (0, 1).

    At 0 and 1 the decoder gets one end's own features. The noise is uniform [0, 1), drawn once from `seed`.
    """
    system = run.system
    noise = np.asarray(system.draw_noise(jax.random.key(seed), 1).generate)
    params = run.state.nets["gen"].averaged

    @run.runner.replicate
    def encode(params: Any, face: Any, expression: Any) -> Codes:
        def code(kind: str, pictures: Any) -> Any:
            return system.gen.apply({"params": params}, pictures, method=f"encode_{kind}")

        return Codes(code("face", face), code("expression", expression))

    @run.runner.replicate
    def decode(params: Any, codes: Codes, noise: Any) -> Any:
        noise = jnp.broadcast_to(noise, (len(codes.face), *noise.shape[1:]))
        return system.gen.apply({"params": params}, codes, noise, method="decode")

    pairs = {"face": (blend.fixed,) * 2, "expression": (blend.fixed,) * 2, blend.varied: blend.ends}
    ends = jax.device_get(encode(params, np.stack(pairs["face"]), np.stack(pairs["expression"])))

    def mixed(kind: str, shares: np.ndarray) -> np.ndarray:
        first, second = getattr(ends, kind)
        if kind != blend.varied:
            return np.broadcast_to(first, (len(shares), *first.shape))
        return (1 - shares)[:, None, None, None] * first + shares[:, None, None, None] * second

    def pictures(shares: np.ndarray) -> np.ndarray:
        def decoded(part: np.ndarray) -> Any:
            return decode(params, ends._replace(face=mixed("face", part), expression=mixed("expression", part)), noise)

        return in_batches(decoded, shares.astype(np.float32), size=_BATCH)

    return pictures
