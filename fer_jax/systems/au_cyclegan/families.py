"""Generator and critic of the face editor from their config, three families of them.

"general" are e7 to e9 and what their constructor can make beside, "early" e5 and e6, "keras" e1 to e4. Each takes the
fields that it knows: layers, max_width, shortcut_layers, inject_layers, the norms and activations, attention, mask and
warp are for the first, kernels, strides and scheme (of initialisation) for the others, fixed for "early".
"""

from typing import Any

import jax.numpy as jnp
from absl import logging
from flax import linen as nn

from fer_jax.core.errors import UsageError
from fer_jax.systems.au_cyclegan.config import ModelConfig
from fer_jax.systems.au_cyclegan.legacy.early import EarlyCritic, EarlyGenerator
from fer_jax.systems.au_cyclegan.legacy.keras import KerasCritic, KerasGenerator
from fer_jax.systems.au_cyclegan.networks import Critic, Generator


def networks(
    model: ModelConfig, size: int, channels: int, aus: int, dtype: jnp.dtype | None = None
) -> tuple[nn.Module, nn.Module]:
    """(generator, critic) for pictures (B, size, size, channels) and AUs (B, aus).

    Raises:
      UsageError: an unknown name, a number out of range, or pictures too small.
    """
    _check_fields(model)
    _check_sizes(model, size)
    shared: dict[str, Any] = {"width": model.width, "dtype": dtype}
    if model.family == "general":
        shared |= {"layers": model.layers, "max_width": model.max_width, "attention": model.attention or 0}
        gen = Generator(
            channels,
            **shared,
            shortcut_layers=model.shortcut_layers,
            inject_layers=model.inject_layers,
            norm=model.norm,
            activation=model.activation,
            decoder_activation=model.decoder_activation,
            mask=model.mask,
            warp=model.warp,
        )
        critic = Critic(
            aus,
            **shared,
            norm=model.critic_norm,
            activation=model.critic_activation,
            hidden=model.hidden,
            hidden_activation=model.hidden_activation,
        )
        return gen, critic
    shared |= {"scheme": model.scheme}
    own: dict[str, Any] = {"kernels": model.kernels, "strides": model.strides}
    critics: dict[str, Any] = {
        "kernels": model.critic_kernels,
        "strides": model.critic_strides,
        "hidden": model.hidden,
    }
    if model.family == "early":
        shared |= {"fixed": model.fixed}
        return EarlyGenerator(channels, **shared, **own), EarlyCritic(aus, **shared, **critics)
    return KerasGenerator(channels, aus, **shared, **own), KerasCritic(aus, **shared, **critics)


def _check_fields(model: ModelConfig) -> None:
    if model.family != "general" and (model.attention or model.mask or model.warp):
        raise UsageError("config.model.attention, mask and warp are for config.model.family=general")
    if model.warp and model.mask:
        raise UsageError("config.model.warp and mask: either; the former has a mask of its own")
    if model.attention is not None and not 0 < model.attention < model.layers:
        raise UsageError(f"config.model.attention: must be 1 to {model.layers - 1}, or None, got {model.attention}")
    pairs = {"": (model.kernels, model.strides), "critic_": (model.critic_kernels, model.critic_strides)}
    for prefix, (kernels, strides) in pairs.items():
        if len(kernels) != len(strides):
            raise UsageError(f"config.model.{prefix}kernels and {prefix}strides must be of one length")


def _check_sizes(model: ModelConfig, size: int) -> None:
    """Every layer must fit its map; where a critic's last map is one pixel, an instance norm erases the picture."""
    stacks: dict[str, tuple[tuple[int, ...], tuple[int, ...], int]]
    if model.family == "general":
        stacks = {"layers": ((4,) * model.layers, (2,) * model.layers, 1)}
    else:
        stacks = {
            "kernels": (model.kernels, model.strides, 0),
            "critic_kernels": (model.critic_kernels, model.critic_strides, 0),
        }
    side = size
    for name, (kernels, strides, padding) in stacks.items():
        side = size
        for kernel, stride in zip(kernels, strides, strict=True):
            if side + 2 * padding < kernel:
                raise UsageError(f"config.model.{name}: too many or too large for pictures of {size} pixels")
            side = (side + 2 * padding - kernel) // stride + 1
    erases = {"general": model.critic_norm == "instancenorm", "early": not model.fixed, "keras": False}
    if side == 1 and erases[model.family]:
        logging.warning(
            "the critic's last map is one pixel, of which its instance norm makes the same for all pictures: it "
            "teaches the generator nothing; %s",
            "as published, --config.model.fixed=True mends it" if model.family == "early" else "take fewer layers",
        )
