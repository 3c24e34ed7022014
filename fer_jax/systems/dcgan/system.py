"""DCGAN: draws faces from noise (Radford, Metz, Chintala, ICLR 2016), of one expression, or of any by class.

A batch holds one stream, "face": image (B, S, S, C) in [0, 1], and expression (B,) where the networks are conditional.
One step, in the order of PyTorch's tutorial: the discriminator on the pictures and, as a batch of its own, on fakes;
its update; then the generator, by what the discriminator, as it is now, says of the same fakes. All passes use the
batch's statistics, and the running ones move with each: the discriminator's three times a step, the generator's once.

Not in the published system, and off: conditional networks, spectral norm, changes of the pictures that the
discriminator sees (`fer_jax.nn.diff_augment`), a moving average of the generator.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fer_jax.core import optimisers
from fer_jax.core.errors import UsageError
from fer_jax.core.protocols import Batch, Metrics
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.losses.adversarial import binary_cross_entropy
from fer_jax.nn.diff_augment import augment
from fer_jax.nn.layers import BatchNorm
from fer_jax.systems.dcgan import networks as models
from fer_jax.systems.dcgan.config import Config

_REFERENCE = 128  # vectors whose statistics stand for those of all
_SHEET = 8  # columns of a sample sheet that is not by class


class Draws(NamedTuple):
    """What one step draws.

    Attributes:
      z: (B, Z) ~ N(0, 1).
      keys: of the changes to real pictures, to fakes in the discriminator's update, and in the generator's.
    """

    z: jax.Array
    keys: jax.Array


@dataclasses.dataclass(frozen=True)
class Dcgan:
    """Generator and discriminator, their optimisers, and how they are updated.

    Attributes:
      latent: numbers in z.
      tx: of "gen" and "disc".
      augment: names of `fer_jax.nn.diff_augment.KINDS`.
      ema_decay: above 0, a moving average of the generator draws samples.
    """

    gen: models.Generator
    disc: models.Discriminator
    latent: int
    tx: Mapping[str, optax.GradientTransformation]
    data: DataSpec
    augment: tuple[str, ...] = ()
    ema_decay: float = 0.0

    def init(self, key: jax.Array) -> TrainState:
        """Networks with the paper's initialisation."""
        gen_key, disc_key = jax.random.split(key)
        labels = jnp.zeros((1,), jnp.int32)
        picture = jnp.zeros((1, self.data.image_size, self.data.image_size, self.data.channels))
        gen = dict(self.gen.init(gen_key, jnp.zeros((1, self.latent)), labels, train=False))
        disc = dict(self.disc.init(disc_key, picture, labels, train=False))
        gen_params, disc_params = gen.pop("params"), disc.pop("params")
        return TrainState.create(
            gen=NetState.create(gen_params, self.tx["gen"], stats=gen, ema=self.ema_decay > 0),
            disc=NetState.create(disc_params, self.tx["disc"], stats=disc),
        )

    @property
    def conditional(self) -> bool:
        """Whether pictures are drawn by class."""
        return self.gen.classes > 0

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the data set's order; () where there is no choice."""
        return self.data.classes["expression"] if self.conditional else ()

    def draw(self, key: jax.Array, count: int) -> Draws:
        """For a step of `count` pictures."""
        z_key, *keys = jax.random.split(key, 4)
        return Draws(jax.random.normal(z_key, (count, self.latent)), jnp.stack(keys))

    # ---- losses: the first argument is what is differentiated ----

    def judge(self, params: Any, stats: Any, picture: jax.Array, labels: jax.Array) -> tuple[jax.Array, Any]:
        """The discriminator in training: logits (B,) of pictures in [-1, 1], and its moved statistics."""
        variables = {"params": params, **stats}
        logits, stats = self.disc.apply(variables, picture, labels, train=True, mutable=list(stats))
        return logits, stats

    def disc_loss(self, params, stats, real, fake, labels, keys):
        """Of pictures and fakes in [-1, 1], seen one batch after the other -> (total, (terms, logits, statistics))."""
        real, fake = (augment(key, x, self.augment) for key, x in zip(keys, (real, fake), strict=True))
        of_real, stats = self.judge(params, stats, real, labels)
        of_fake, stats = self.judge(params, stats, fake, labels)
        terms = {"real": binary_cross_entropy(of_real, 1.0), "fake": binary_cross_entropy(of_fake, 0.0)}
        return terms["real"] + terms["fake"], (terms, (of_real, of_fake), stats)

    def gen_loss(self, fake, disc, stats, labels, key):
        """Of fakes in [-1, 1], by the discriminator's parameters and statistics -> (loss, (logits, statistics))."""
        logits, stats = self.judge(disc, stats, augment(key, fake, self.augment), labels)
        return binary_cross_entropy(logits, 1.0), (logits, stats)

    # ---- updates ----

    def phase(self, step: int) -> str:
        """Every step does the same."""
        del step
        return "train"

    def train_step(self, state: TrainState, batch: Batch, key: jax.Array, phase: str) -> tuple[TrainState, Metrics]:
        """One step, with new draws. Fakes have the classes of the batch."""
        del phase
        image = batch["face"]["image"]
        return self.update(state, 2 * image - 1, self._labels(batch), self.draw(key, len(image)))

    def _labels(self, batch: Batch) -> jax.Array:
        face = batch["face"]
        return face["expression"] if self.conditional else jnp.zeros(len(face["image"]), jnp.int32)

    def update(self, state: TrainState, real: jax.Array, labels: jax.Array, draws: Draws) -> tuple[TrainState, Metrics]:
        """One step on given draws, for pictures in [-1, 1]."""
        gen, disc = state.nets["gen"], state.nets["disc"]

        def generate(params):
            variables = {"params": params, **gen.stats}
            return self.gen.apply(variables, draws.z, labels, train=True, mutable=list(gen.stats))

        fake, pull_back, gen_stats = jax.vjp(generate, gen.params, has_aux=True)
        (total, (terms, logits, stats)), grads = jax.value_and_grad(self.disc_loss, has_aux=True)(
            disc.params, disc.stats, real, fake, labels, draws.keys[:2]
        )
        disc = disc.update(grads, self.tx["disc"])
        (loss, (after, stats)), grad = jax.value_and_grad(self.gen_loss, has_aux=True)(
            fake, disc.params, stats, labels, draws.keys[2]
        )
        (grads,) = pull_back(grad)
        gen = gen.update(grads, self.tx["gen"], ema_decay=self.ema_decay)
        nets = {"gen": gen.replace(stats=gen_stats), "disc": disc.replace(stats=stats)}  # type: ignore[attr-defined]
        metrics = {f"disc/{name}": value for name, value in terms.items()} | {"disc/total": total, "gen/loss": loss}
        seen = {"disc/on_real": logits[0], "disc/on_fake": logits[1], "gen/on_fake": after}
        metrics |= {name: jax.nn.sigmoid(value).mean() for name, value in seen.items()}
        return state.replace(step=state.step + 1, nets=nets), metrics  # type: ignore[attr-defined]

    # ---- use ----

    sampling_stream = "face"  # stream whose pictures are imitated

    def draw_pictures(self, state: TrainState, z: jax.Array, labels: jax.Array) -> jax.Array:
        """Pictures (N, S, S, C) in [0, 1] of vectors (N, Z) and classes (N,), which networks without class ignore.

        No picture depends on the others: with fixed statistics, and the moving average where there is one.
        """
        variables = {"params": state.nets["gen"].averaged, **self._statistics(state)}
        drawn: Any = self.gen.apply(variables, z, labels, train=False)
        return jnp.clip((drawn + 1) / 2, 0, 1)

    def _statistics(self, state: TrainState) -> Any:
        """The running statistics, or those of the moving average on fixed vectors: the running ones are not its."""
        gen = state.nets["gen"]
        if gen.ema is None:
            return gen.stats
        z = jax.random.normal(jax.random.key(1), (_REFERENCE, self.latent))
        labels = jnp.arange(_REFERENCE) % max(self.gen.classes, 1)
        nothing = jax.tree.map(jnp.zeros_like, gen.stats)
        _, moved = self.gen.apply({"params": gen.ema, **nothing}, z, labels, train=True, mutable=list(nothing))
        return jax.tree.map(lambda share: share / (1 - BatchNorm.momentum), moved)

    def generate(self, state: TrainState, key: jax.Array, count: int, labels: jax.Array | None = None) -> jax.Array:
        """`count` new pictures (count, S, S, C) in [0, 1], of classes (count,); without, of classes drawn evenly."""
        z_key, label_key = jax.random.split(key)
        if labels is None:
            labels = jax.random.randint(label_key, (count,), 0, max(len(self.classes), 1))
        return self.draw_pictures(state, jax.random.normal(z_key, (count, self.latent)), labels)

    def eval_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Mapping[str, jax.Array]:
        """How real the discriminator finds pictures, and fakes of the same classes from the same vectors each time.

        With running statistics; and the step, the one figure of a GAN's own that says which checkpoint to keep.
        """
        image, labels, disc = batch["face"]["image"], self._labels(batch), state.nets["disc"]
        z = jax.random.normal(key, (len(image), self.latent))
        fake = self.draw_pictures(state, z, labels)
        variables = {"params": disc.params, **disc.stats}

        def realness(x):
            logits: Any = self.disc.apply(variables, 2 * x - 1, labels, train=False)
            return jax.nn.sigmoid(logits)

        step = jnp.broadcast_to(state.step, (len(image),))
        return {"real": realness(image), "fake": realness(fake), "step": step}

    def score(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Mean probability of "real" of pictures that were not trained on and of fakes; the step.

        Pictures far below the training ones' ("disc/on_real") mean that the discriminator knows these by heart.
        """
        real, fake = (float(outputs[name].mean()) for name in ("real", "fake"))
        return {
            "disc": {
                "on_real": real,
                "on_fake": fake,
                "step": int(outputs["step"][0]),
                "examples": len(outputs["real"]),
            }
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the sample sheet."""
        return self.classes or tuple(map(str, range(1, _SHEET + 1)))

    def sample(self, state: TrainState, batch: Batch, key: jax.Array) -> tuple[jax.Array, ...]:
        """Pictures from vectors that are drawn once: `key` is the same in the whole run. By class: a vector a row."""
        rows, columns = len(batch["face"]["image"]), len(self.columns)
        if self.conditional:
            z = jnp.repeat(jax.random.normal(key, (rows, self.latent)), columns, 0)
        else:
            z = jax.random.normal(key, (rows * columns, self.latent))
        drawn = self.draw_pictures(state, z, jnp.tile(jnp.arange(columns), rows))
        return tuple(jnp.unstack(drawn.reshape(rows, columns, *drawn.shape[1:]), axis=1))


def build(config: Config, data: DataSpec) -> Dcgan:
    """The system of a config.

    Raises:
      UsageError: a picture size that there is not, or a batch too small for its statistics.
    """
    model, optim = config.model, config.optim
    if data.image_size < models.UNIT or data.image_size % models.UNIT:
        raise UsageError(f"config.data.image_size: {data.image_size} is no multiple of {models.UNIT}")
    if config.data.batch_size < 2:
        raise UsageError(
            f"config.data.batch_size: {config.data.batch_size} is too few: the statistics of a batch need 2 pictures"
        )
    if model.conditional and "expression" not in data.classes:
        raise UsageError(
            "config.model.conditional: the data set has no expressions; name one that has, or set it False"
        )
    dtype = optimisers.compute_dtype(config.precision)
    classes = len(data.classes["expression"]) if model.conditional else 0
    rates = {"gen": optim.gen_lr, "disc": optim.disc_lr}
    return Dcgan(
        gen=models.Generator(data.image_size, data.channels, model.width, classes, model.embedding, dtype),
        disc=models.Discriminator(model.width, classes, model.norm, dtype),
        latent=model.latent,
        tx={name: optimisers.adam(rate or optim.lr, optim.b1, optim.b2) for name, rate in rates.items()},
        data=data,
        augment=config.augment,
        ema_decay=config.ema_decay or 0.0,
    )
