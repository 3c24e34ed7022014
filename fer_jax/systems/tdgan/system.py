"""TDGAN: recognition from an expression code that identity was taken out of (Xie, Hu, Chen, TCSVT 31(6), 2021).

The reference is XsLangley/TDGAN trainer.py. A generator puts the expression of one picture on the face of another;
M_ER, a classifier head on the expression encoder, recognises. Pictures are (B, S, S, C) in [0, 1]; a batch holds the
streams "face" (image, identity) and "expression" (image, expression).

One step, in the reference's order: the generated picture is made once, before any update; M_ER's head; every
`d_fr_every` steps the face discriminator; every `d_er_every` steps the expression discriminator; then the generator,
judged by the discriminators as they are now. Passes whose result the reference throws away are not made: unused
discriminator logits, and M_ER's head inside the two consistency passes.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fer_jax.core import optimisers
from fer_jax.core.metrics import classification
from fer_jax.core.protocols import Batch, Metrics, Prediction, interleave
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.losses.classification import cross_entropy
from fer_jax.losses.reconstruction import l1, l2
from fer_jax.losses.weighting import weighted_sum
from fer_jax.systems.tdgan import networks as models
from fer_jax.systems.tdgan.config import Config, LossConfig


class Noise(NamedTuple):
    """Uniform [0, 1) noise of the three decoder passes, each (B, S/16, S/16, noise)."""

    generate: jax.Array
    con_fr: jax.Array
    con_er: jax.Array


class Due(NamedTuple):
    """What a step updates beside M_ER."""

    dis_fr: bool
    dis_er: bool
    gen: bool = True  # False in the warm-up


@dataclasses.dataclass(frozen=True)
class Tdgan:
    """The four networks, their optimisers, and how they are updated."""

    gen: models.Generator
    er_head: models.Head
    dis_fr: models.Discriminator
    dis_er: models.Discriminator
    tx: Mapping[str, optax.GradientTransformation]  # "gen", "er_head", "dis_fr", "dis_er"
    data: DataSpec
    weights: LossConfig = LossConfig()
    d_fr_every: int = 5
    d_er_every: int = 10
    restart_counter: bool = True  # the gaps count from each epoch's start, as published; False: from the run's
    warm_up: int = 0  # steps at the start without adversary, see warm_up_step (not in the published system)
    m_er_trains_encoder: bool = False  # let M_ER's loss reach the expression encoder (not in the published system)
    d_er_fake_class: bool = False  # train D_ER on generated pictures as an eighth class (not in the published system)
    ema_decay: float = 0.0  # > 0: evaluate and sample with a moving average of the generator

    # ---- state ----

    def init(self, key: jax.Array) -> TrainState:
        """Networks with the reference's initialisation."""
        gen_key, head_key, fr_key, er_key = jax.random.split(key, 4)
        picture = jnp.zeros((1, self.data.image_size, self.data.image_size, self.data.channels))
        noise = jnp.zeros(self._noise_shape(1))
        gen = self.gen.init(gen_key, picture, picture, noise)["params"]
        code = self.gen.apply({"params": gen}, picture, method="encode_expression")
        return TrainState.create(
            gen=NetState.create(gen, self.tx["gen"], ema=self.ema_decay > 0),
            er_head=NetState.create(self.er_head.init(head_key, code, train=False)["params"], self.tx["er_head"]),
            dis_fr=NetState.create(self.dis_fr.init(fr_key, picture, train=False)["params"], self.tx["dis_fr"]),
            dis_er=NetState.create(self.dis_er.init(er_key, picture, train=False)["params"], self.tx["dis_er"]),
        )

    def draw_noise(self, key: jax.Array, count: int) -> Noise:
        """Noise for one training step."""
        return Noise(*(jax.random.uniform(k, self._noise_shape(count)) for k in jax.random.split(key, 3)))

    def _noise_shape(self, count: int) -> tuple[int, int, int, int]:
        side = self.data.image_size // 16
        return count, side, side, self.gen.noise

    # ---- networks ----

    def generate(self, gen: Any, face: jax.Array, expression: jax.Array, noise: jax.Array):
        """Generator parameters, two pictures (B, S, S, C) and noise -> picture and `models.Codes`."""
        return self.gen.apply({"params": gen}, face, expression, noise)

    def recognise(self, head: Any, code: jax.Array, key: jax.Array | None = None) -> jax.Array:
        """M_ER's logits (B, K) from expression codes; a key means training, with dropout."""
        return _apply(self.er_head, head, code, key)

    def judge(self, which: str, params: Any, picture: jax.Array, key: jax.Array | None = None) -> models.Judgement:
        """`dis_fr`'s or `dis_er`'s features and logits; a key means training, with dropout."""
        return _apply(getattr(self, which), params, picture, key)

    # ---- losses: the first argument is what is differentiated ----

    def m_er_loss(self, trained: tuple[Any, jax.Array], labels: jax.Array, key: jax.Array | None = None) -> jax.Array:
        """L_MER from (head parameters, expression codes)."""
        head, code = trained
        return cross_entropy(self.recognise(head, code, key), labels)

    def dis_fr_loss(self, params, face, identity, generated, key=None):
        """L_Df_real + L_Df_fake -> (total, (terms, trunk features of the real faces))."""
        pictures = interleave(face, jax.lax.stop_gradient(generated))
        seen = self.judge("dis_fr", params, pictures, key)
        fake_class = jnp.full_like(identity, self.dis_fr.classes - 1)
        terms = {
            "real": cross_entropy(seen.logits[0::2], identity),
            "fake": cross_entropy(seen.logits[1::2], fake_class),
        }
        return terms["real"] + terms["fake"], (terms, seen.features[0::2])

    def dis_er_loss(self, params, expression, label, generated, key=None):
        """L_De_real, plus the fake class where that is on and a picture was generated -> (total, terms)."""
        if not self.d_er_fake_class or generated is None:
            terms = {"real": cross_entropy(self.judge("dis_er", params, expression, key).logits, label)}
        else:
            pictures = interleave(expression, jax.lax.stop_gradient(generated))
            logits = self.judge("dis_er", params, pictures, key).logits
            fake_class = jnp.full_like(label, self.dis_er.classes - 1)
            terms = {"real": cross_entropy(logits[0::2], label), "fake": cross_entropy(logits[1::2], fake_class)}
        return sum(terms.values()), terms

    def gen_terms(self, gen, generated, nets, batch, real_features, expression_code, noise, key=None):
        """The generator's terms by name, given the generated picture; `gen` enters through the consistency passes.

        `nets` has the discriminators' parameters; `real_features` are D_FR's of the real faces and `expression_code`
        E_e's of the real expressions, neither of which is differentiated.
        """
        face, expression = batch["face"]["image"], batch["expression"]["image"]
        fr_key, er_key = _split(key)
        seen_fr = self.judge("dis_fr", nets["dis_fr"], generated, fr_key)
        seen_er = self.judge("dis_er", nets["dis_er"], generated, er_key)
        # Both consistency passes in one batch. Interleaved, not appended, so that no picture changes its device.
        back, codes = self.generate(
            gen,
            face=interleave(generated, expression),
            expression=interleave(face, generated),
            noise=interleave(noise.con_fr, noise.con_er),
        )
        return {
            "adv_fr": cross_entropy(seen_fr.logits, batch["face"]["identity"]),
            "adv_er": cross_entropy(seen_er.logits, batch["expression"]["expression"]),
            "per_fr": l2(seen_fr.features, jax.lax.stop_gradient(real_features)),
            # Departure: with a weight above 0 this term trains the generator; the reference detaches both sides.
            "per_er": l2(codes.expression[1::2], jax.lax.stop_gradient(expression_code)),
            "con_fr": l1(back[0::2], face),
            "con_er": l1(back[1::2], expression),
        }

    def total(self, terms: Mapping[str, jax.Array]) -> jax.Array:
        """The generator's loss: the weighted sum of its terms (the paper's Eqs. 6 to 8)."""
        weights = {name: weight for name, weight in dataclasses.asdict(self.weights).items() if weight}
        return weighted_sum({name: terms[name] for name in weights}, weights)

    # ---- updates ----

    def phase(self, step: int) -> Due:
        """Which discriminators the step after `step` completed ones updates."""
        counter = step % self.data.steps_per_epoch if self.restart_counter else step
        if step < self.warm_up:
            return Due(dis_fr=False, dis_er=True, gen=False)
        return Due(dis_fr=counter % self.d_fr_every == 0, dis_er=counter % self.d_er_every == 0)

    def train_step(self, state: TrainState, batch: Batch, key: jax.Array, due: Due) -> tuple[TrainState, Metrics]:
        """One step of section 3 of the spec, with fresh noise."""
        if not due.gen:
            return self.warm_up_step(state, batch, key)
        noise_key, dropout_key = jax.random.split(key)
        noise = self.draw_noise(noise_key, batch["face"]["image"].shape[0])
        return self.update(state, batch, noise, dropout_key, due)

    def warm_up_step(self, state: TrainState, batch: Batch, key: jax.Array) -> tuple[TrainState, Metrics]:
        """One step before the first adversarial one, from the expression pictures alone.

        M_ER and D_ER learn to recognise them, and the generator to draw them again, given each as face and as
        expression: con_er, with the picture itself in place of a generated one. Where M_ER trains the expression
        encoder, the redrawing does not, so that the decoder learns to read what M_ER needs.
        """
        noise_key, head_key, er_key = jax.random.split(key, 3)
        nets = dict(state.nets)
        expression, label = batch["expression"]["image"], batch["expression"]["expression"]
        noise = self.draw_noise(noise_key, expression.shape[0]).con_er

        def loss(gen, head):
            code: Any = self.gen.apply({"params": gen}, expression, method="encode_expression")
            face: Any = self.gen.apply({"params": gen}, expression, method="encode_face")
            own, others = code, jax.lax.stop_gradient(code)
            if not self.m_er_trains_encoder:
                own, others = others, own
            m_er = self.m_er_loss((head, own), label, head_key)
            again: Any = self.gen.apply({"params": gen}, models.Codes(face, others), noise, method="decode")
            redrawn = l1(again, expression)
            return m_er + self.weights.con_er * redrawn, (m_er, redrawn)

        (gen_grads, head_grads), (m_er, redrawn) = jax.grad(loss, (0, 1), has_aux=True)(
            nets["gen"].params, nets["er_head"].params
        )
        (_, terms), er_grads = jax.value_and_grad(self.dis_er_loss, has_aux=True)(
            nets["dis_er"].params, expression, label, None, er_key
        )
        nets["gen"] = nets["gen"].update(gen_grads, self.tx["gen"], ema_decay=self.ema_decay)
        nets["er_head"] = nets["er_head"].update(head_grads, self.tx["er_head"])
        nets["dis_er"] = nets["dis_er"].update(er_grads, self.tx["dis_er"])
        metrics = {"m_er/loss": m_er, "gen/redraw": redrawn} | {f"dis_er/{name}": v for name, v in terms.items()}
        return state.replace(step=state.step + 1, nets=nets), metrics  # type: ignore[attr-defined]

    def update(
        self, state: TrainState, batch: Batch, noise: Noise, key: jax.Array | None, due: Due
    ) -> tuple[TrainState, Metrics]:
        """One step on given noise. Without a key dropout is off (parity)."""
        head_key, fr_key, er_key, gen_key = (None,) * 4 if key is None else jax.random.split(key, 4)
        nets, gen = dict(state.nets), state.nets["gen"].params
        face, expression = batch["face"]["image"], batch["expression"]["image"]

        (generated, codes), pull_back = jax.vjp(lambda p: self.generate(p, face, expression, noise.generate), gen)
        m_er, (head_grads, code_grad) = jax.value_and_grad(self.m_er_loss)(
            (nets["er_head"].params, codes.expression), batch["expression"]["expression"], head_key
        )
        nets["er_head"] = nets["er_head"].update(head_grads, self.tx["er_head"])
        metrics = {"m_er/loss": m_er}
        if due.dis_fr:
            grads, (terms, real_features) = jax.grad(self.dis_fr_loss, has_aux=True)(
                nets["dis_fr"].params, face, batch["face"]["identity"], generated, fr_key
            )
            nets["dis_fr"] = nets["dis_fr"].update(grads, self.tx["dis_fr"])
            metrics |= {f"dis_fr/{name}": value for name, value in terms.items()}
        else:
            real_features = self.dis_fr.apply({"params": nets["dis_fr"].params}, face, method="trunk")
        if due.dis_er:
            grads, terms = jax.grad(self.dis_er_loss, has_aux=True)(
                nets["dis_er"].params, expression, batch["expression"]["expression"], generated, er_key
            )
            nets["dis_er"] = nets["dis_er"].update(grads, self.tx["dis_er"])
            metrics |= {f"dis_er/{name}": value for name, value in terms.items()}

        judges = {name: nets[name].params for name in ("dis_fr", "dis_er")}

        def gen_loss(gen, generated):
            terms = self.gen_terms(gen, generated, judges, batch, real_features, codes.expression, noise, gen_key)
            return self.total(terms), terms

        (total, terms), (grads, picture_grad) = jax.value_and_grad(gen_loss, (0, 1), has_aux=True)(gen, generated)
        code_grads = jax.tree.map(jnp.zeros_like, codes)
        if self.m_er_trains_encoder:
            code_grads = code_grads._replace(expression=code_grad)
        (first_pass,) = pull_back((picture_grad, code_grads))
        grads = jax.tree.map(jnp.add, grads, first_pass)
        nets["gen"] = nets["gen"].update(grads, self.tx["gen"], ema_decay=self.ema_decay)

        metrics |= {f"gen/{name}": value for name, value in terms.items()} | {"gen/total": total}
        return state.replace(step=state.step + 1, nets=nets), metrics  # type: ignore[attr-defined]

    # ---- use ----

    recognition_stream = "expression"  # stream whose evaluation view the pictures are seen with

    def prepare(self, state: TrainState) -> TrainState:
        """Nothing is the same for all pictures."""
        return state

    def predict(self, state: TrainState, image: jax.Array) -> Prediction:
        """M_ER's predictions for images (B, S, S, C) in [0, 1]."""
        gen = state.nets["gen"].averaged
        code: Any = self.gen.apply({"params": gen}, image, method="encode_expression")
        return Prediction(self.recognise(state.nets["er_head"].params, code))

    def eval_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Mapping[str, jax.Array]:
        """Logits of both recognisers, M_ER and D_ER (the paper's "CNN-Base"), on the expression stream."""
        del key
        picture = batch["expression"]["image"]
        classes = len(self.data.classes["expression"])
        return {
            "m_er": self.predict(state, picture).logits,
            "d_er": self.judge("dis_er", state.nets["dis_er"].params, picture).logits[:, :classes],
            "expression": batch["expression"]["expression"],
        }

    def score(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Accuracy, macro F1, cross entropy and confusion matrix of M_ER and of D_ER."""
        names = self.data.classes["expression"]
        return {which: classification(outputs[which], outputs["expression"], names) for which in ("m_er", "d_er")}

    columns = ("face", "expression", "generated", "face again", "expression again")  # of the sample sheet

    def sample(self, state: TrainState, batch: Batch, key: jax.Array) -> tuple[jax.Array, ...]:
        """The reference's five columns: face, expression, generated, and the two consistency passes."""
        gen, noise = state.nets["gen"].averaged, self.draw_noise(key, batch["face"]["image"].shape[0])
        face, expression = batch["face"]["image"], batch["expression"]["image"]
        generated, _ = self.generate(gen, face, expression, noise.generate)
        return (
            face,
            expression,
            generated,
            self.generate(gen, generated, face, noise.con_fr)[0],
            self.generate(gen, expression, generated, noise.con_er)[0],
        )


def _apply(module, params, x, key):
    rngs = None if key is None else {"dropout": key}
    return module.apply({"params": params}, x, train=key is not None, rngs=rngs)


def _split(key):
    return (None, None) if key is None else jax.random.split(key)


def build(config: Config, data: DataSpec) -> Tdgan:
    """The system of a config. D_FR has one class for each identity and one for "generated"."""
    model, optim = config.model, config.optim
    dtype = optimisers.compute_dtype(config.precision)
    width, hidden, dropout = model.width, model.hidden, model.dropout
    expressions, identities = len(data.classes["expression"]), len(data.classes["identity"])

    def adam(lr: float | None, first: float | None = optim.warm_up_lr) -> optax.GradientTransformation:
        return optimisers.adam(lr or optim.lr, optim.b1, optim.b2, first_lr=first, first_steps=config.warm_up)

    return Tdgan(
        gen=models.Generator(data.channels, width, model.noise, model.blocks, model.decoder_width or width, dtype),
        er_head=models.Head(expressions, hidden, dropout, dtype),
        dis_fr=models.Discriminator(identities + 1, width, hidden, dropout, dtype),
        dis_er=models.Discriminator(expressions + config.d_er_fake_class, width, hidden, dropout, dtype),
        tx={
            "gen": adam(optim.gen_lr),
            "er_head": adam(optim.er_head_lr),
            "dis_fr": adam(optim.dis_fr_lr, None),  # the warm-up does not train it
            "dis_er": adam(optim.dis_er_lr),
        },
        data=data,
        weights=config.loss,
        d_fr_every=config.d_fr_every,
        d_er_every=config.d_er_every,
        restart_counter=config.restart_counter,
        warm_up=config.warm_up,
        m_er_trains_encoder=config.m_er_trains_encoder,
        d_er_fake_class=config.d_er_fake_class,
        ema_decay=config.ema_decay or 0.0,
    )
