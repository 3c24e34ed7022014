"""A face editor conditioned on action units, experiments e1 to e9 of one reference.

The reference is gtesei/facial_unpaired_i2i_translation_SA_C_CC_GAN. A generator draws a picture again with other action
units (AUs); a critic says how real a picture is and which AUs it shows. What the reference calls cycle consistency is
reconstruction: a picture's code decoded with the picture's own AUs. A true cycle is an option, `LossConfig.gen_cycle`.
A batch holds the stream "face", image (B, S, S, C) in [0, 1] and aus (B, A), each column scaled by its largest value in
the training split. Where it holds a stream "free" too, whose AUs come in any combination, that one alone is trained on:
a critic that may guess one AU from another lets the generator off.

One step: the critic on pictures and fakes, then, every `gen_every` steps of an epoch, the generator, judged by the
critic as it is now. With the Wasserstein loss the generator step draws its targets anew, with the others it keeps those
of the critic step. Departure: the reference's non-saturating loss takes both gradients through one graph, which current
PyTorch refuses; e1 to e4 count both networks' updates in one Adam, which alters its first steps, with eps 1e-7.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from fer_jax.core import optimisers, schedules
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import AU_NAMES, AU_NUMBERS, EXPRESSION_AUS
from fer_jax.core.protocols import Batch, Metrics
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.losses.adversarial import ADVERSARIAL, gradient_penalty
from fer_jax.losses.reconstruction import l1, total_variation
from fer_jax.losses.weighting import weighted_sum
from fer_jax.nn.diff_augment import through_noise
from fer_jax.systems.au_cyclegan import families
from fer_jax.systems.au_cyclegan.config import Config, LossConfig
from fer_jax.systems.au_cyclegan.losses import AU_LOSSES, read
from fer_jax.systems.au_cyclegan.networks import Judgement
from fer_jax.systems.au_cyclegan.targets import Targets, emotion_vector

SHOWN = ("happiness", "sadness", "surprise", "contempt")  # in sample sheets


class Draws(NamedTuple):
    """What one step draws.

    Attributes:
      critic: targets of the critic step, (n * B, A), the n of a picture side by side.
      gen: of the generator step.
      mix: share of the fake in each picture that the penalty looks at, (N, 1, 1, 1); N is n * B, or B for the last
        fakes only.
      noise: key of the noise on what the critic sees, None for none.
    """

    critic: jax.Array
    gen: jax.Array
    mix: jax.Array
    noise: jax.Array | None = None


class Due(NamedTuple):
    """What a step updates beside the critic."""

    gen: bool
    warm_up: bool = False  # the critic learns AUs alone


@dataclasses.dataclass(frozen=True)
class AuCycleGan:
    """Generator and critic, their optimisers, and how they are updated.

    Attributes:
      tx: of "gen" and "critic".
      losses: kinds and weights of the terms.
      last_only: the penalty sees the last fake of each picture only, as e5 has it (the complement of AU45).
      aus_of_fakes: the critic must also find the targets in the fakes, as in e1 to e4.
      threshold: above 0, AUs are presence labels, 1 from this share of the largest value on.
      warm_up: steps at the start in which the critic learns the AUs of pictures and nothing else happens.
      critic_noise: deviation of normal noise, behind a slight blur, through which the critic looks for AUs; in real
        pictures it learns them without it too.
      difference: above 0, an edit is the picture and so much of what lies between two drawings, of the AUs asked and of
        its own; all of it in training.
      ema_decay: above 0, a moving average of the generator edits and samples.
    """

    gen: nn.Module
    critic: nn.Module
    tx: Mapping[str, optax.GradientTransformation]
    data: DataSpec
    losses: LossConfig = LossConfig()
    targets: Targets = Targets()
    last_only: bool = False
    aus_of_fakes: bool = False
    threshold: float = 0.0
    gen_every: int = 1
    warm_up: int = 0  # not in the published system
    critic_noise: float = 0.0  # likewise
    difference: float = 0.0  # likewise
    ema_decay: float = 0.0  # likewise

    def init(self, key: jax.Array) -> TrainState:
        """Networks with the reference's initialisation."""
        gen_key, critic_key = jax.random.split(key)
        picture = jnp.zeros((1, self.data.image_size, self.data.image_size, self.data.channels))
        gen = dict(self.gen.init(gen_key, picture, jnp.zeros((1, len(AU_NUMBERS))), train=False))
        params = gen.pop("params")
        critic = self.critic.init(critic_key, picture)["params"]
        return TrainState.create(
            gen=NetState.create(params, self.tx["gen"], stats=gen, ema=self.ema_decay > 0),
            critic=NetState.create(critic, self.tx["critic"]),
        )

    # ---- what a step is given ----

    def labels(self, aus: Any) -> Any:
        """AUs (B, A), jax or numpy, as in a data set -> in the networks' scale: shares of the largest, or presence."""
        largest = np.asarray(self.data.scales.get("aus", (1.0,) * aus.shape[-1]), aus.dtype)
        scaled = aus / np.where(largest > 0, largest, 1)
        return (scaled >= self.threshold).astype(aus.dtype) if self.threshold else scaled

    def draw(self, key: jax.Array, aus: jax.Array) -> Draws:
        """Targets and mixing shares of a step, for AUs (B, A)."""
        critic_key, gen_key, mix_key, noise_key = jax.random.split(key, 4)
        critic = gen = self.targets.draw(critic_key, aus)
        if self._draws_anew:
            gen = self.targets.draw(gen_key, aus)
        count = len(aus) if self.last_only else len(critic)
        mix = jax.random.uniform(mix_key, (count, 1, 1, 1), aus.dtype)
        return Draws(critic, gen, mix, noise_key if self.critic_noise else None)

    @property
    def _draws_anew(self) -> bool:
        return self.losses.adversarial == "wasserstein_gp"

    # ---- losses: the first argument is what is differentiated ----

    def judge(self, params: Any, picture: jax.Array, noise: jax.Array | None = None) -> Judgement:
        """The critic's judgement of pictures (B, S, S, C); given a key, it looks for the AUs through noise."""
        if noise is not None:
            seen = self.judge(params, through_noise(noise, picture, self.critic_noise))
            return seen._replace(adversarial=self.judge(params, picture).adversarial)
        judgement: Any = self.critic.apply({"params": params}, picture)
        return judgement

    def critic_loss(self, params, image, aus, fake, targets, mix, noise=None):
        """Of pictures (B, ...) with their AUs and fakes (n * B, ...) with their targets -> (total, terms)."""
        real_noise, fake_noise = (None, None) if noise is None else jax.random.split(noise)
        real, faked = self.judge(params, image), self.judge(params, fake, fake_noise)
        terms = {"adv": ADVERSARIAL[self.losses.adversarial].critic(real.adversarial, faked.adversarial)}
        if self.aus_of_fakes:
            both = jnp.concatenate([real.aus, faked.aus]), jnp.concatenate([aus, targets])
            terms["aus"] = AU_LOSSES[self.losses.aus](*both)
        else:
            terms["aus"] = AU_LOSSES[self.losses.aus](real.aus, aus)
            if real_noise is not None:  # through it too; in use pictures are read without
                dim = through_noise(real_noise, image, self.critic_noise)
                terms["aus"] += AU_LOSSES[self.losses.aus](self.judge(params, dim).aus, aus)
        if self.losses.critic_sources:
            terms["sources"] = AU_LOSSES[self.losses.aus](faked.aus, _repeat(aus, len(fake) // len(image)))
        if self.losses.adversarial == "wasserstein_gp":
            count = len(fake) // len(image)
            mixed = (image, fake[count - 1 :: count]) if self.last_only else (_repeat(image, count), fake)
            terms["penalty"] = gradient_penalty(lambda x: self.judge(params, x).adversarial, *mixed, mix)
        return self._total("critic", terms), terms

    def gen_loss(self, params, stats, critic, image, aus, targets, noise=None):
        """Of pictures (B, ...), their AUs and targets (n * B, A) -> (total, (terms, new running statistics)).

        `stats` are the generator's, `critic` the critic's parameters.
        """
        count = len(targets) // len(image)
        maps, stats = self.pass_through(params, stats, "encode", image)
        fake, stats = self.pass_through(params, stats, "decode", _repeat(maps, count), targets)
        again, stats = self.pass_through(params, stats, "decode", maps, aus)
        fake = self.changed(image, fake, again)
        judgement = self.judge(critic, fake, noise)
        terms = {
            "adv": ADVERSARIAL[self.losses.adversarial].gen(judgement.adversarial),
            "aus": AU_LOSSES[self.losses.aus](judgement.aus, targets),
            "rec": l1(again, image),
        }
        if self.losses.gen_smooth:
            terms["smooth"] = total_variation(fake - _repeat(image, count))
        if self.losses.gen_cycle:
            maps, stats = self.pass_through(params, stats, "encode", fake)
            back, stats = self.pass_through(params, stats, "decode", maps, _repeat(aus, count))
            terms["cycle"] = l1(back, _repeat(image, count))
        return self._total("gen", terms), (terms, stats)

    def _total(self, net: str, terms: Mapping[str, jax.Array]) -> jax.Array:
        return weighted_sum(terms, {name: getattr(self.losses, f"{net}_{name}") for name in terms})

    def pass_through(self, params: Any, stats: Any, method: str, *args: Any) -> tuple[Any, Any]:
        """The generator's `encode` or `decode` in training mode -> (what it returns, new running statistics)."""
        result, new = self.gen.apply({"params": params, **stats}, *args, train=True, method=method, mutable=list(stats))
        return result, new

    def translate(self, params: Any, stats: Any, image: jax.Array, aus: jax.Array, targets: jax.Array):
        """Pictures (B, ...) of AUs (B, A) with `targets` (n * B, A), in training mode -> (fakes, new statistics)."""
        maps, stats = self.pass_through(params, stats, "encode", image)
        fake, stats = self.pass_through(params, stats, "decode", _repeat(maps, len(targets) // len(image)), targets)
        if self.difference:
            again, stats = self.pass_through(params, stats, "decode", maps, aus)
            fake = self.changed(image, fake, again)
        return fake, stats

    def changed(self, image: jax.Array, drawn: jax.Array, again: jax.Array, share: float = 1.0) -> jax.Array:
        """The edits (n * B, ...) of pictures, given what is drawn of other AUs and again of their own.

        `share` of what lies between the two is taken, if edits are made by difference.
        """
        if not self.difference:
            return drawn
        image, again = (_repeat(x, len(drawn) // len(image)) for x in (image, again))
        return image + share * (drawn - again)

    # ---- updates ----

    def phase(self, step: int) -> Due:
        """Whether the step after `step` completed ones updates the generator. The gaps restart with every epoch."""
        if step < self.warm_up:
            return Due(gen=False, warm_up=True)
        return Due(gen=step % max(self.data.steps_per_epoch, 1) % self.gen_every == 0)

    def train_step(self, state: TrainState, batch: Batch, key: jax.Array, due: Due) -> tuple[TrainState, Metrics]:
        """One step, with new draws."""
        seen = batch.get("free", batch["face"])
        image, aus = seen["image"], self.labels(seen["aus"])
        draws = self.draw(key, aus)
        if due.warm_up:
            return self.warm_up_step(state, image, aus, draws)
        return self.update(state, image, aus, draws, due)

    def warm_up_step(
        self, state: TrainState, image: jax.Array, aus: jax.Array, draws: Draws
    ) -> tuple[TrainState, Metrics]:
        """One step in which the critic learns the AUs (B, A) of pictures (B, S, S, C)."""
        critic = state.nets["critic"]

        def loss(params):
            return AU_LOSSES[self.losses.aus](self.judge(params, image, draws.noise).aus, aus)

        value, grads = jax.value_and_grad(loss)(critic.params)
        nets = {**state.nets, "critic": critic.update(grads, self.tx["critic"])}
        return state.replace(step=state.step + 1, nets=nets), {"critic/aus": value}  # type: ignore[attr-defined]

    def update(
        self, state: TrainState, image: jax.Array, aus: jax.Array, draws: Draws, due: Due
    ) -> tuple[TrainState, Metrics]:
        """One step on given draws, for pictures (B, S, S, C) and their AUs (B, A) in the networks' scale."""
        gen, critic = state.nets["gen"], state.nets["critic"]
        # Not differentiated, but in training mode: the running statistics move with this pass too.
        fake, stats = self.translate(gen.params, gen.stats, image, aus, draws.critic)
        (total, terms), grads = jax.value_and_grad(self.critic_loss, has_aux=True)(
            critic.params, image, aus, fake, draws.critic, draws.mix, draws.noise
        )
        critic = critic.update(grads, self.tx["critic"])
        metrics = {f"critic/{name}": value for name, value in terms.items()} | {"critic/total": total}
        if not due.gen:
            gen = gen.replace(stats=stats)  # type: ignore[attr-defined]
        else:
            # Without new targets the reference makes one pass for both steps, so here the first does not count.
            before = stats if self._draws_anew else gen.stats
            noise = None if draws.noise is None else jax.random.fold_in(draws.noise, 1)
            (total, (terms, stats)), grads = jax.value_and_grad(self.gen_loss, has_aux=True)(
                gen.params, before, critic.params, image, aus, draws.gen, noise
            )
            gen = gen.update(grads, self.tx["gen"], ema_decay=self.ema_decay).replace(stats=stats)  # type: ignore
            metrics |= {f"gen/{name}": value for name, value in terms.items()} | {"gen/total": total}
        return state.replace(step=state.step + 1, nets={"gen": gen, "critic": critic}), metrics  # type: ignore

    # ---- use ----

    editing_stream = "face"  # stream whose evaluation view the pictures are seen with
    controls = AU_NAMES
    control_range = (0.0, 1.0)

    def expressions(self, state: TrainState) -> Mapping[str, tuple[float, ...]]:
        """The AUs of the reference's expressions, present or at their largest; all others are absent."""
        del state
        return {name: emotion_vector(name) for name in EXPRESSION_AUS}

    def controls_from(self, labels: Mapping[str, Any]) -> Any:
        """The AUs in the networks' scale, from "aus" as a data set has them."""
        return self.labels(labels["aus"]) if "aus" in labels else None

    def condition_of(self, state: TrainState, key: jax.Array, image: jax.Array) -> jax.Array:
        """The AUs (B, A), in the networks' scale, that the critic sees in pictures (B, S, S, C)."""
        del key
        return self._read(state, image)

    def _read(self, state: TrainState, image: jax.Array) -> jax.Array:
        return jnp.clip(read(self.judge(state.nets["critic"].params, image).aus, self.losses.aus), *self.control_range)

    def edit(
        self,
        state: TrainState,
        key: jax.Array,
        image: jax.Array,
        condition: jax.Array,
        source: jax.Array | None = None,
    ) -> jax.Array:
        """Images (B, S, S, C) in [0, 1] with the AUs `condition` (n * B, A) in the networks' scale -> (n * B, S, S, C).

        The n targets of a picture lie side by side. Running statistics are used, the moving average where there is one,
        and what lies outside [0, 1] is cut off. `source` (B, A): the images' own AUs, which only `difference` needs.
        Nothing is drawn: `key` is not used.
        """
        del key
        drawn = self._drawn(state, image, condition)
        if self.difference:
            again = self._drawn(state, image, self._read(state, image) if source is None else source)
            drawn = self.changed(image, drawn, again, self.difference)
        return jnp.clip(drawn, 0, 1)

    def reconstruct(self, state: TrainState, batch: Batch) -> jax.Array:
        """The batch's pictures, drawn again with their own AUs."""
        return jnp.clip(self._drawn(state, batch["face"]["image"], self.labels(batch["face"]["aus"])), 0, 1)

    def _drawn(self, state: TrainState, image: jax.Array, aus: jax.Array) -> Any:
        gen = state.nets["gen"]
        variables = {"params": gen.averaged, **gen.stats}
        maps = _repeat(self.gen.apply(variables, image, train=False, method="encode"), len(aus) // len(image))
        return self.gen.apply(variables, maps, aus, train=False, method="decode")

    def eval_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Mapping[str, jax.Array]:
        """How far reconstructions are from the images, and the AUs that the critic reads in these from their own."""
        del key
        image, axes = batch["face"]["image"], (1, 2, 3)
        off = self.reconstruct(state, batch) - image
        seen = self._read(state, image)
        return {
            "l1": jnp.abs(off).mean(axes),
            "square": jnp.square(off).mean(axes),
            "aus": jnp.abs(seen - self.labels(batch["face"]["aus"])).mean(1),
        }

    def score(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Mean absolute error and PSNR (dB) of reconstructions, mean absolute error of the AUs the critic sees."""
        ratio = -10 * np.log10(np.maximum(outputs["square"].astype(np.float64), 1e-10))
        count = {"examples": len(ratio)}
        return {
            "reconstruction": {"l1": float(outputs["l1"].mean()), "psnr": float(ratio.mean()), **count},
            "critic": {"aus_l1": float(outputs["aus"].mean()), **count},
        }

    @property
    def log_columns(self) -> Mapping[str, str]:
        """Of the reference's log, whose losses are of one batch. "fid_..." needs torchvision's Inception, as there."""
        losses = {
            "critic/adv": "d_gan_loss",
            "critic/aus": "d_AU_loss",
            "gen/adv": "g_gan_loss",
            "gen/aus": "g_AU_loss",
            "gen/rec": "reconstr_loss",
        }
        names = {**{name: name for name in SHOWN}, "happiness": "joy"}  # theirs
        return losses | {f"distance/fid_torchvision_{name}": f"fid_{there}" for name, there in names.items()}

    columns = ("original", "reconstruction", *SHOWN)  # of the sample sheet

    def sample(self, state: TrainState, batch: Batch, key: jax.Array) -> tuple[jax.Array, ...]:
        """The reference's picture of emotions, with the reconstruction."""
        image, own = batch["face"]["image"], self.labels(batch["face"]["aus"])
        emotions = np.array([emotion_vector(name) for name in SHOWN], np.float32)
        edited = self.edit(state, key, image, jnp.tile(emotions, (len(own), 1)), own)
        columns = jnp.unstack(edited.reshape(len(own), len(SHOWN), *image.shape[1:]), axis=1)
        return (image, self.reconstruct(state, batch), *columns)


def _repeat(tree: Any, count: int) -> Any:
    """(B, ...) -> (count * B, ...), copies side by side."""
    return tree if count == 1 else jax.tree.map(lambda x: jnp.repeat(x, count, 0), tree)


def build(config: Config, data: DataSpec) -> AuCycleGan:
    """The system of a config.

    Raises:
      UsageError: a value out of range, or networks that the pictures are too small for.
    """
    if min(config.gen_every, config.targets.draws) < 1:
        raise UsageError("config.gen_every and config.targets.draws must be 1 or more")
    dtype, optim = optimisers.compute_dtype(config.precision), config.optim
    gen, critic = families.networks(config.model, data.image_size, data.channels, len(AU_NUMBERS), dtype)
    total = schedules.total_steps(config.run, data.steps_per_epoch)

    def adam(rate: float | None, steps: int, every: int) -> optax.GradientTransformation:
        share = schedules.decay_share("linear", steps, optim.decay_steps, every) if optim.decay_steps else None
        return optimisers.adam(rate or optim.lr, optim.b1, optim.b2, share=share)

    return AuCycleGan(
        gen=gen,
        critic=critic,
        tx={
            "gen": adam(optim.gen_lr, total - config.warm_up, config.gen_every),
            "critic": adam(optim.critic_lr, total, 1),
        },
        data=data,
        losses=config.loss,
        targets=Targets(config.targets.kind, config.targets.draws, config.targets.noise),
        last_only=config.last_only,
        aus_of_fakes=config.aus.of_fakes,
        threshold=config.aus.threshold or 0.0,
        gen_every=config.gen_every,
        warm_up=config.warm_up,
        critic_noise=config.critic_noise,
        difference=config.difference or 0.0,
        ema_decay=config.ema_decay or 0.0,
    )
