"""GANmut: a face editor that learns a space of expressions from class labels alone (d'Apolito et al., CVPR 2021).

A generator draws a face again at a point of a learned space (`networks`); a discriminator says how real
its patches are (WGAN-GP), which class it shows and at which point. A batch holds one stream, "face": image (B, S, S, C)
in [0, 1], red first, and expression (B,). The networks see [-1, 1], blue first, and number the classes as AffectNet
does, neutral first, so that published weights serve every data set.

One step: the discriminator, then, after every `n_critic` of them, the generator, judged by the discriminator as it is
now. Where the reference's slips change what is learned, the default is what was meant and the slip an option, but for
one: the cycle "original" always goes to the point of the real picture (core/solver.py has the fake's).
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fer_jax.core import optimisers, schedules
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import expression_name
from fer_jax.core.metrics import classification
from fer_jax.core.protocols import Batch, Metrics
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.losses.adversarial import ADVERSARIAL, gradient_penalty, r1_penalty
from fer_jax.losses.classification import cross_entropy
from fer_jax.losses.reconstruction import l1, l2, total_variation
from fer_jax.losses.weighting import weighted_sum
from fer_jax.nn.diff_augment import through_noise
from fer_jax.systems.ganmut import networks as models
from fer_jax.systems.ganmut.config import Config, LossConfig
from fer_jax.systems.ganmut.losses import DISC, GEN, GaussianRules, LinearRules
from fer_jax.systems.ganmut.networks import Judgement

ORDER = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")  # AffectNet's
# The discriminator's loss of a real patch; a fake one's is that of its negative.
_REAL = {"wasserstein_gp": lambda value: -value, "non_saturating": lambda value: jax.nn.softplus(-value)}


def class_order(names: tuple[str, ...]) -> tuple[int, ...]:
    """Positions of a data set's classes in the networks' order: AffectNet's, then others as they come.

    >>> class_order(("anger", "Happy", "neutral"))
    (2, 1, 0)
    """
    known = [expression_name(name) for name in names]
    ranks = [ORDER.index(name) if name in ORDER else len(ORDER) for name in known]
    return tuple(sorted(range(len(names)), key=lambda i: (ranks[i], i)))


class Due(NamedTuple):
    """What a step updates beside the discriminator."""

    gen: bool
    warm_up: bool = False  # the discriminator learns classes alone


@dataclasses.dataclass(frozen=True)
class Ganmut:
    """Generator and discriminator, their optimisers, and how they are updated.

    Attributes:
      rules: of the space.
      tx: of "gen" and "disc".
      penalty: "gp", "r1" or "none".
      n_critic: updates of the discriminator for each of the generator.
      adversarial: a name of ADVERSARIAL, "wasserstein_gp" as published.
      warm_up: steps at the start in which the discriminator learns classes and nothing else happens.
      noise: deviation of normal noise, behind a slight blur, through which it looks for classes and points.
      ema_decay: above 0, a moving average of the generator, its space included, edits and samples.
    """

    gen: models.Generator
    disc: models.Discriminator
    rules: Any
    tx: Mapping[str, optax.GradientTransformation]
    data: DataSpec
    weights: LossConfig = LossConfig()
    penalty: str = "gp"
    n_critic: int = 5
    adversarial: str = "wasserstein_gp"
    warm_up: int = 0  # not in the published system
    noise: float = 0.0  # likewise
    ema_decay: float = 0.0

    def init(self, key: jax.Array) -> TrainState:
        """Networks with PyTorch's initialisation, as the reference's."""
        gen_key, disc_key = jax.random.split(key)
        picture = jnp.zeros((1, self.data.image_size, self.data.image_size, self.data.channels))
        stats = dict(self.gen.init(gen_key, picture, jnp.zeros((1, self.gen.dimensions))))
        params = stats.pop("params")
        disc = self.disc.init(disc_key, picture)["params"]
        return TrainState.create(
            gen=NetState.create(params, self.tx["gen"], stats=stats, ema=self.ema_decay > 0),
            disc=NetState.create(disc, self.tx["disc"]),
        )

    # ---- between the pipeline and the networks ----

    @functools.cached_property
    def order(self) -> tuple[int, ...]:
        """Position in the data set's classes of each of the networks'."""
        return class_order(self.data.classes["expression"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the networks' order."""
        return tuple(expression_name(self.data.classes["expression"][i]) for i in self.order)

    def labels(self, expression: jax.Array) -> jax.Array:
        """Classes (B,) as the data set numbers them -> as the networks do."""
        return jnp.asarray(np.argsort(self.order), jnp.int32)[expression]

    def picture(self, image: jax.Array) -> jax.Array:
        """Pictures in [0, 1], red first -> [-1, 1], blue first."""
        return 2 * image[..., ::-1] - 1

    def image(self, picture: jax.Array) -> jax.Array:
        """The inverse of `picture`; what lies outside is cut off."""
        return jnp.clip((picture[..., ::-1] + 1) / 2, 0, 1)

    # ---- networks ----

    def space(self, params: Any) -> Any:
        """The space that the generator's parameters say, Rays or Normals."""
        return self.gen.apply({"params": params}, method="learned_space")

    def generate(self, params: Any, stats: Any, picture: jax.Array, points: jax.Array) -> tuple[jax.Array, Any]:
        """A pass in training -> (pictures, statistics, of which the running ones have moved)."""
        drawn, new = self.gen.apply({"params": params, **stats}, picture, points, mutable=["batch_stats"])
        return drawn, {**stats, **new}  # type: ignore[return-value]

    def judge(self, params: Any, picture: jax.Array, key: jax.Array | None = None) -> Judgement:
        """What the discriminator says of pictures (B, S, S, C); with a key, of classes and points through noise."""
        if key is not None and self.noise:
            seen = self.judge(params, through_noise(key, picture, self.noise))
            return seen._replace(realism=self.judge(params, picture).realism)
        judgement: Any = self.disc.apply({"params": params}, picture)
        return judgement

    # ---- losses: the first argument is what is differentiated ----

    def disc_loss(self, params, picture, labels, fake, points, mix, key=None):
        """Of pictures with their classes and fakes with their points -> (total, terms)."""
        keys = (None, None) if key is None else jax.random.split(key)
        real, faked = self.judge(params, picture, keys[0]), self.judge(params, fake, keys[1])

        def realism(x):  # one number a picture, of all its patches
            return self.judge(params, x).realism.sum((1, 2))

        terms = {
            "real": _REAL[self.adversarial](real.realism).mean(),
            "fake": _REAL[self.adversarial](-faked.realism).mean(),
            "cls": cross_entropy(real.classes, labels),
            "points": l2(faked.points, points),
        }
        if self.weights.disc_sources:
            terms["sources"] = cross_entropy(faked.classes, labels)
        if self.penalty == "r1":
            terms["penalty"] = r1_penalty(realism, picture)
        elif self.penalty == "gp":
            terms["penalty"] = gradient_penalty(realism, picture, fake, mix)
        return self._total("disc", terms), terms

    def gen_loss(self, params, stats, disc, picture, labels, draws, key=None):
        """Of pictures with their classes -> (total, (terms, statistics)); `disc` are the discriminator's parameters."""
        space = self.space(params)
        points = self.rules.points(space, draws, GEN)
        fake, stats = self.generate(params, stats, picture, points)
        seen, real = self.judge(disc, fake, key), self.judge(disc, picture)
        again, stats = self.generate(params, stats, fake, self.rules.back(space, draws, labels, real))
        terms = {"fake": ADVERSARIAL[self.adversarial].gen(seen.realism), "rec": l1(again, picture)}
        terms |= self.rules.gen_terms(space, seen, points, draws)
        if self.weights.gen_smooth:
            terms["smooth"] = total_variation(fake - picture)
        return self._total("gen", terms), (terms, stats)

    def _total(self, net: str, terms: Mapping[str, jax.Array]) -> jax.Array:
        weights = dataclasses.asdict(self.weights)
        return weighted_sum(terms, {name: weights.get(f"{net}_{name}", weights.get(name, 1.0)) for name in terms})

    # ---- updates ----

    def phase(self, step: int) -> Due:
        """Whether the step after `step` completed ones updates the generator."""
        if step < self.warm_up:
            return Due(gen=False, warm_up=True)
        return Due(gen=(step + 1) % self.n_critic == 0)

    def train_step(self, state: TrainState, batch: Batch, key: jax.Array, due: Due) -> tuple[TrainState, Metrics]:
        """One step, with new draws."""
        picture, labels = self.picture(batch["face"]["image"]), self.labels(batch["face"]["expression"])
        noise = jax.random.fold_in(key, 1) if self.noise else None
        if due.warm_up:
            return self.warm_up_step(state, picture, labels, noise)
        return self.update(state, picture, labels, self.rules.draw(key, labels, self.gen.dimensions), due, noise)

    def warm_up_step(self, state: TrainState, picture: jax.Array, labels: jax.Array, noise: jax.Array | None):
        """One step in which the discriminator learns the classes of pictures, as the networks take them."""
        disc = state.nets["disc"]

        def loss(params):
            return cross_entropy(self.judge(params, picture, noise).classes, labels)

        value, grads = jax.value_and_grad(loss)(disc.params)
        nets = {**state.nets, "disc": disc.update(grads, self.tx["disc"])}
        return state.replace(step=state.step + 1, nets=nets), {"disc/cls": value}  # type: ignore[attr-defined]

    def update(self, state: TrainState, picture, labels, draws, due: Due, noise=None) -> tuple[TrainState, Metrics]:
        """One step on given draws, for pictures and classes as the networks take them; `noise` is its key."""
        gen, disc = state.nets["gen"], state.nets["disc"]
        points = self.rules.points(self.space(gen.params), draws, DISC)
        fake, stats = self.generate(gen.params, gen.stats, picture, points)
        (total, terms), grads = jax.value_and_grad(self.disc_loss, has_aux=True)(
            disc.params, picture, labels, fake, points, draws.mix, noise
        )
        disc = disc.update(grads, self.tx["disc"])
        metrics = {f"disc/{name}": value for name, value in terms.items()} | {"disc/total": total}
        if due.gen:
            (total, (terms, stats)), grads = jax.value_and_grad(self.gen_loss, has_aux=True)(
                gen.params,
                stats,
                disc.params,
                picture,
                labels,
                draws,
                None if noise is None else jax.random.fold_in(noise, 2),
            )
            gen = gen.update(grads, self.tx["gen"], ema_decay=self.ema_decay)
            metrics |= {f"gen/{name}": value for name, value in terms.items()} | {"gen/total": total}
        gen = gen.replace(stats=stats)  # type: ignore[attr-defined]
        return state.replace(step=state.step + 1, nets={"gen": gen, "disc": disc}), metrics  # type: ignore

    # ---- use ----

    editing_stream = "face"  # stream whose evaluation view the pictures are seen with
    control_range = (-1.0, 1.0)

    @property
    def controls(self) -> tuple[str, ...]:
        """Coordinates of a point."""
        return ("x", "y", "z")[: self.gen.dimensions]

    def expressions(self, state: TrainState) -> Mapping[str, jax.Array]:
        """Class -> the point (D,) that shows it: strength 0.9 of its direction (neutral: the origin), or its centre."""
        return dict(zip(self.classes, self.rules.modes(self.space(state.nets["gen"].averaged)), strict=True))

    def label(self, state: TrainState, points: jax.Array) -> jax.Array:
        """The class (B,), an index into `classes`, that the space itself has at points (B, D)."""
        return self.space(state.nets["gen"].averaged).label(points)

    def polar(self, points: jax.Array) -> jax.Array:
        """Points (B, 2) -> (angle in radians, radius): direction and intensity of a linear space in 2-D."""
        return models.polar(points)

    def controls_from(self, labels: Mapping[str, Any]) -> None:
        """Nothing: a class is an area of the space, no data set says a point."""
        del labels

    def condition_of(self, state: TrainState, key: jax.Array, image: jax.Array) -> jax.Array:
        """The points (B, D), held in [-1, 1], where the discriminator places images (B, S, S, C) in [0, 1]."""
        del key
        return jnp.clip(self.judge(state.nets["disc"].params, self.picture(image)).points, *self.control_range)

    def edit(
        self, state: TrainState, key: jax.Array, image: jax.Array, condition: jax.Array, source: Any = None
    ) -> jax.Array:
        """Images (B, S, S, C) in [0, 1] at the points `condition` (B, D); `key` and `source` are not needed."""
        del key, source
        return self._drawn(state, image, condition)

    def _drawn(self, state: TrainState, image: jax.Array, points: jax.Array) -> jax.Array:
        gen = state.nets["gen"]
        drawn: Any = self.gen.apply({"params": gen.averaged, **gen.stats}, self.picture(image), points)
        return self.image(drawn)

    def eval_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Mapping[str, jax.Array]:
        """Class logits in the data set's order, and how far pictures are from those redrawn at their own points."""
        del key
        image, axes = batch["face"]["image"], (1, 2, 3)
        seen = self.judge(state.nets["disc"].params, self.picture(image))
        off = self._drawn(state, image, jnp.clip(seen.points, *self.control_range)) - image
        return {
            "logits": seen.classes[:, np.argsort(self.order)],
            "expression": batch["face"]["expression"],
            "l1": jnp.abs(off).mean(axes),
            "square": jnp.square(off).mean(axes),
        }

    def score(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The discriminator's figures as a classifier; mean absolute error and PSNR (dB) of reconstructions."""
        ratio = -10 * np.log10(np.maximum(outputs["square"].astype(np.float64), 1e-10))
        names = self.data.classes["expression"]
        return {
            "disc": classification(outputs["logits"], outputs["expression"], names),
            "reconstruction": {
                "l1": float(outputs["l1"].mean()),
                "psnr": float(ratio.mean()),
                "examples": len(ratio),
            },
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the sample sheet."""
        return ("original", *self.classes)

    def sample(self, state: TrainState, batch: Batch, key: jax.Array) -> tuple[jax.Array, ...]:
        """The reference's strip: each picture, and the same face with each class."""
        del key
        image = batch["face"]["image"]
        wanted = jnp.stack(list(self.expressions(state).values()))
        edited = self._drawn(state, jnp.repeat(image, len(wanted), 0), jnp.tile(wanted, (len(image), 1)))
        return (image, *jnp.unstack(edited.reshape(len(image), len(wanted), *image.shape[1:]), axis=1))


# ---- building ----


def build(config: Config, data: DataSpec) -> Ganmut:
    """The system of a config.

    Raises:
      UsageError: pictures that the networks cannot take, or batches too small for the losses.
    """
    model, coded, optim = config.model, config.as_coded, config.optim
    _check(config, data)
    shared: dict[str, Any] = {
        "space_kind": model.space,
        "classes": len(data.classes["expression"]),
        "dimensions": model.dimensions,
        "dtype": optimisers.compute_dtype(config.precision),
    }
    rules: Any = GaussianRules(coded.raw_modes)
    if model.space == "linear":
        neutral = models.NEUTRAL_RADIUS if coded.neutral_strength else 0.0
        rules = LinearRules(config.random_directions, config.point_noise, neutral, coded.octant, config.cycle)
    steps = schedules.total_steps(config.run, data.steps_per_epoch)

    def adam(rate: float | None, every: int) -> optax.GradientTransformation:
        share = None
        if optim.decay_steps is not None:
            share = schedules.decay_share(optim.decay, steps, max(min(optim.decay_steps, steps), 1), every)
        return optimisers.adam(rate or optim.lr, optim.b1, optim.b2, share=share)

    return Ganmut(
        gen=models.Generator(
            channels=data.channels,
            width=model.width,
            blocks=model.blocks,
            reference_covariance=coded.covariance,
            warp=model.warp,
            **shared,
        ),
        disc=models.Discriminator(width=model.disc_width or model.width, stages=model.stages, **shared),
        rules=rules,
        tx={"gen": adam(optim.gen_lr, config.n_critic), "disc": adam(optim.disc_lr, 1)},
        data=data,
        weights=config.loss,
        penalty=config.penalty,
        n_critic=config.n_critic,
        adversarial=config.adversarial,
        warm_up=config.warm_up,
        noise=config.noise,
        ema_decay=config.ema_decay or 0.0,
    )


def _check(config: Config, data: DataSpec) -> None:
    if config.n_critic < 1:
        raise UsageError(f"config.n_critic: {config.n_critic}; give 1 or more")
    unit = max(4, 2**config.model.stages)
    if data.image_size % unit:
        raise UsageError(
            f"config.data.image_size: {data.image_size} is no multiple of {unit}; with fewer "
            f"--config.model.stages (now {config.model.stages}) it may be one of less"
        )
    if absent := data.absent.get("expression"):
        raise UsageError(
            f"config.data.streams: no training picture shows {', '.join(absent)}, so the space has no place for "
            "it: add some, or leave the class out"
        )
    names, batch = data.classes["expression"], config.data.batch_size
    if config.model.space == "gaussian" and batch < len(names):
        raise UsageError(
            f"config.data.batch_size: {batch} pictures are too few: the Gaussian space's losses need one for each of "
            f"the {len(names)} classes"
        )
    if config.model.space == "linear":
        if "neutral" not in map(expression_name, names):
            raise UsageError(
                f"config.model.space: the linear space needs a class neutral; there are {', '.join(names)}"
            )
        if config.random_directions < 1 or batch <= config.random_directions:
            raise UsageError(
                f"config.data.batch_size: {batch} pictures are too few: the first {config.random_directions} "
                "(config.random_directions, 1 or more) go in random directions, and some must be left"
            )
