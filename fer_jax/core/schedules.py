"""How long a run is, and how a learning rate falls over it."""

import jax.numpy as jnp
import optax

from fer_jax.core.config import RunConfig, SystemConfig
from fer_jax.core.errors import UsageError


def total_steps(run: RunConfig, steps_per_epoch: int) -> int:
    """The last step of a run: `run.steps`, or as many epochs as `run.epochs` says, but `run.min_steps` at least.

    Raises:
      UsageError: the config says neither.
    """
    if run.steps is None and run.epochs is None:
        raise UsageError("config.run: neither steps nor epochs are given")
    return run.steps or max((run.epochs or 0) * steps_per_epoch, run.min_steps or 0)


def ended(config: SystemConfig, steps_per_epoch: int, step: int, best: int | None) -> bool:
    """Whether a run is at its end after `step`: its last one, or `select.patience` evaluations without a better one.

    `best` is the step of the best evaluation so far.
    """
    patience = (config.select.patience or 0) * (config.run.eval_every or steps_per_epoch)
    return step >= total_steps(config.run, steps_per_epoch) or bool(patience and best and step - best >= patience)


def cosine(lr: float, steps: int, *, every: int = 1, warm_up: int = 0) -> optax.Schedule:
    """Half a cosine from `lr` to 0 over `steps`.

    Args:
      lr: the rate at the top.
      steps: of the whole run.
      every: the rate changes every so many steps only; PyTorch's CosineAnnealingLR, stepped once an epoch, does so.
      warm_up: steps, of `steps`, in which the rate rises in a line first; half of them at most, in a short run.

    Raises:
      UsageError: a value out of range.
    """
    if lr <= 0 or warm_up < 0:
        raise UsageError(f"config.optim: lr {lr} must be above 0, and warm_up_epochs not below")
    warm_up = min(warm_up, steps // 2)
    falling = optax.cosine_decay_schedule(lr, max(steps - warm_up, 1))
    if warm_up:
        rising = optax.linear_schedule(lr / warm_up, lr, max(warm_up - 1, 1))  # the first step is not lost
        falling = optax.join_schedules([rising, falling], [warm_up])
    return falling if every == 1 else lambda count: falling(count // every * every)


def staircase(lr: float, factor: float, every: int) -> optax.Schedule:
    """Rate lr * factor^(step // every): PyTorch's StepLR, with `every` in steps.

    Raises:
      UsageError: a value out of range.
    """
    if lr <= 0 or factor <= 0 or every < 1:
        raise UsageError(f"config.optim: lr, decay and decay_epochs must be above 0, got {lr}, {factor}, {every}")
    return optax.exponential_decay(lr, every, factor, staircase=True)


def decay_share(kind: str, total: int, decay: int, every: int = 1, pause: int = 1000) -> optax.Schedule:
    """Update -> share of the learning rate, for an update in every `every`-th of `total` steps.

    "linear" falls to 0 over the last `decay` steps. "as_coded": after every `pause`-th of these steps, lr / decay is
    taken off once, which with the reference's numbers leaves 99.9 % of it.
    """

    def share(count):
        step = count * every + every - 1  # completed before this one
        if kind == "linear":
            return jnp.clip((total - step) / decay, 0, 1)
        return 1 - jnp.maximum(step // pause - (total - decay) // pause, 0) / decay

    return share
