"""How well two continuous labels agree: Lin's concordance correlation coefficient (Biometrics 45, 1989)."""

import jax
import jax.numpy as jnp


def concordance(prediction: jax.Array, target: jax.Array, *, mixed: bool = True) -> jax.Array:
    """Concordance of each column over the batch. (B, D) twice -> (D,), at most 1.

    2 cov / (var + var + (mean - mean)^2). `mixed` as the Emotion-GCN reference: covariance with divisor B, variances
    with B - 1, so that equal arguments give (B - 1) / B; otherwise one divisor, B, throughout. Where the quotient is
    0 / 0, or B is 1, it is 0. Float32 or better.

    >>> x = jnp.array([[1.0], [2.0], [3.0]])
    >>> [round(float(concordance(x, x + 1, mixed=m)[0]), 4) for m in (True, False)]
    [0.4444, 0.5714]
    """
    dtype, count = jnp.promote_types(prediction.dtype, jnp.float32), len(prediction)
    prediction, target = prediction.astype(dtype), target.astype(dtype)
    means = prediction.mean(0), target.mean(0)
    from_mean = prediction - means[0], target - means[1]
    covariance = (from_mean[0] * from_mean[1]).mean(0)
    variances = jnp.square(from_mean[0]).mean(0) + jnp.square(from_mean[1]).mean(0)
    if mixed:
        variances *= count / max(count - 1, 1)
    spread = variances + jnp.square(means[0] - means[1])
    return 2 * covariance / jnp.where(spread > 0, spread, 1)


def ccc_loss(prediction: jax.Array, target: jax.Array, *, mixed: bool = True) -> jax.Array:
    """1 - the mean concordance of the columns. (B, D) twice -> ()."""
    return 1 - concordance(prediction, target, mixed=mixed).mean()
