"""Self-attention over the positions of a map (Zhang et al., SAGAN, ICML 2019, section 3)."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.layers import Conv


class SelfAttention(nn.Module):
    """x + gamma * attended, gamma starting at 0, so that a new block changes nothing. (B, H, W, C) -> (B, H, W, C).

    Queries, keys and values have C / `reduction` channels. The softmax over positions is float32 or better.
    """

    reduction: int = 8
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        batch, height, width, channels = x.shape
        inner = max(channels // self.reduction, 1)

        def project(name: str) -> jax.Array:
            y = Conv(inner, 1, use_bias=False, dtype=self.dtype, name=name)(x)
            return y.reshape(batch, height * width, inner)

        query, key, value = project("query"), project("key"), project("value")
        scores = jnp.einsum("bqc,bkc->bqk", query, key)
        shares = nn.softmax(scores.astype(jnp.promote_types(scores.dtype, jnp.float32)))
        attended = jnp.einsum("bqk,bkc->bqc", shares.astype(value.dtype), value).reshape(batch, height, width, inner)
        gamma = self.param("gamma", nn.initializers.zeros, ())
        return x + (gamma * Conv(channels, 1, use_bias=False, dtype=self.dtype, name="out")(attended)).astype(x.dtype)
