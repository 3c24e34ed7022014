"""Which action units (AUs) a generator is asked for: at random from others, one complemented, or an emotion's.

AUs are (B, A) numbers in [0, 1]; where there are 17, in the order of `fer_jax.core.labels.AU_NUMBERS`.
"""

import dataclasses

import jax
import jax.numpy as jnp

from fer_jax.core.labels import AU_NUMBERS, EXPRESSION_AUS

KINDS = ("random", "complement", "partial")


def emotion_vector(name: str) -> tuple[float, ...]:
    """The AUs of an emotion: 17 zeros and ones in the order of AU_NUMBERS."""
    return tuple(float(number in EXPRESSION_AUS[name]) for number in AU_NUMBERS)


@dataclasses.dataclass(frozen=True)
class Targets:
    """Which AUs pictures are translated to.

    "random" takes other rows of the batch, with replacement, `draws` for each picture. Departure: the reference draws
    from the whole set; a batch is itself a uniform draw from that. "complement" makes one target for each AU, the
    picture's own with that one complemented. "partial" is random in a part of the AUs, from none to all of them, and
    leaves the others as they are, as most edits do; it is ours. `noise` n adds U(-n, n) to the active AUs of random
    targets, held in [0, 1]; the reference describes that, with n = 0.1, and never turns it on.
    """

    kind: str = "random"
    draws: int = 1
    noise: float = 0.0

    def draw(self, key: jax.Array, aus: jax.Array) -> jax.Array:
        """AUs (B, A) of a batch -> targets (n * B, A), the n of a picture side by side, so that none changes device."""
        if self.kind == "complement":
            chosen = jnp.eye(aus.shape[1], dtype=bool)
            return jnp.where(chosen, 1 - aus[:, None], aus[:, None]).reshape(-1, aus.shape[1])
        row_key, noise_key = jax.random.split(key)
        targets = aus[jax.random.randint(row_key, (len(aus) * self.draws,), 0, len(aus))]
        if self.kind == "partial":
            share_key, part_key = jax.random.split(jax.random.fold_in(key, 1))
            share = jax.random.uniform(share_key, (len(targets), 1), targets.dtype)
            changed = jax.random.uniform(part_key, targets.shape, targets.dtype) < share
            targets = jnp.where(changed, targets, jnp.repeat(aus, self.draws, 0))
        if not self.noise:
            return targets
        noise = jax.random.uniform(noise_key, targets.shape, targets.dtype, -self.noise, self.noise)
        return jnp.where(targets > 0, jnp.clip(targets + noise, 0, 1), targets)
