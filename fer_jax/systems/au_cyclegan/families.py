"""Generator and critic of the face editor from the plain fields of `config.model`, three families of them.

"general" are e7 to e9 and what their constructor can make beside, "early" e5 and e6, "keras" e1 to e4. Each takes the
fields that it knows: layers, max_width, shortcut_layers, inject_layers, the norms and activations, attention, mask and
warp are for the first, kernels, strides and scheme (of initialisation) for the others, fixed for "early".
"""

from typing import Any

import jax.numpy as jnp
from absl import logging
from flax import linen as nn

from fer_jax.core.errors import UsageError
from fer_jax.systems.au_cyclegan.legacy.early import EarlyCritic, EarlyGenerator
from fer_jax.systems.au_cyclegan.legacy.keras import KerasCritic, KerasGenerator
from fer_jax.systems.au_cyclegan.networks import ACTIVATIONS, INITS, NORMS, Critic, Generator

FAMILIES = ("general", "early", "keras")


def networks(
    fields: Any, size: int, channels: int, aus: int, dtype: jnp.dtype | None = None
) -> tuple[nn.Module, nn.Module]:
    """(generator, critic) for pictures (B, size, size, channels) and AUs (B, aus).

    Raises:
      UsageError: an unknown name, a number out of range, or pictures too small.
    """
    _check_fields(fields)
    _check_sizes(fields, size)
    shared: dict[str, Any] = {"width": fields.width, "dtype": dtype}
    if fields.family == "general":
        shared |= {name: fields[name] for name in ("layers", "max_width", "attention")}
        names = (
            "shortcut_layers",
            "inject_layers",
            "norm",
            "activation",
            "decoder_activation",
            "mask",
            "warp",
        )
        judging: dict[str, Any] = {name: fields[f"critic_{name}"] for name in ("norm", "activation")}
        judging |= {name: fields[name] for name in ("hidden", "hidden_activation")}
        gen = Generator(channels, **shared, **{name: fields[name] for name in names})
        return gen, Critic(aus, **shared, **judging)
    shared |= {"scheme": fields.scheme}
    own: dict[str, Any] = {name: tuple(fields[name]) for name in ("kernels", "strides")}
    judging = {name: tuple(fields[f"critic_{name}"]) for name in ("kernels", "strides")} | {"hidden": fields.hidden}
    if fields.family == "early":
        shared |= {"fixed": fields.fixed}
        return EarlyGenerator(channels, **shared, **own), EarlyCritic(aus, **shared, **judging)
    return KerasGenerator(channels, aus, **shared, **own), KerasCritic(aus, **shared, **judging)


def _check_fields(fields: Any) -> None:
    activations = tuple(ACTIVATIONS)
    known = {
        "family": FAMILIES,
        "norm": NORMS,
        "critic_norm": ("none", "instancenorm"),  # the gradient penalty needs every picture judged by itself
        **dict.fromkeys(("activation", "decoder_activation", "critic_activation", "hidden_activation"), activations),
        "scheme": tuple(INITS),
    }
    for name, names in known.items():
        if fields[name] not in names:
            raise UsageError(f"config.model.{name}: {fields[name]!r} is not one of {', '.join(names)}")
    if fields.family != "general" and (fields.attention or fields.mask or fields.warp):
        raise UsageError("config.model.attention, mask and warp are for config.model.family=general")
    if fields.warp and fields.mask:
        raise UsageError("config.model.warp and mask: either; the former has a mask of its own")
    if not 0 <= fields.attention < fields.layers:
        raise UsageError(f"config.model.attention: must be 0 (none) to {fields.layers - 1}, got {fields.attention}")
    for prefix in ("", "critic_"):
        if len(fields[f"{prefix}kernels"]) != len(fields[f"{prefix}strides"]):
            raise UsageError(f"config.model.{prefix}kernels and {prefix}strides must be of one length")


def _check_sizes(fields: Any, size: int) -> None:
    """Every layer must fit its map; where a critic's last map is one pixel, an instance norm erases the picture."""
    if fields.family == "general":
        stacks = {"layers": ((4,) * fields.layers, (2,) * fields.layers, 1)}
    else:
        stacks = {f"{who}kernels": (fields[f"{who}kernels"], fields[f"{who}strides"], 0) for who in ("", "critic_")}
    side = size
    for name, (kernels, strides, padding) in stacks.items():
        side = size
        for kernel, stride in zip(kernels, strides, strict=True):
            if side + 2 * padding < kernel:
                raise UsageError(f"config.model.{name}: too many or too large for pictures of {size} pixels")
            side = (side + 2 * padding - kernel) // stride + 1
    erases = {"general": fields.critic_norm == "instancenorm", "early": not fields.fixed, "keras": False}
    if side == 1 and erases[fields.family]:
        logging.warning(
            "the critic's last map is one pixel, of which its instance norm makes the same for all pictures: it "
            "teaches the generator nothing; %s",
            "as published, --config.model.fixed=True mends it" if fields.family == "early" else "take fewer layers",
        )
