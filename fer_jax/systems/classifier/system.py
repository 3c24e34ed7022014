"""FER2013's classifiers: one network, one cross entropy (reference: "Emotion Detection using EmotionGAN").

What the reference calls Regular, Augmented and Expanded are three sets of pictures for one training, see
`configs/classifier.py`. A batch holds one stream, "face": image (B, S, S, C) in [0, 1], expression (B,), and for the
votes' loss ferplus (B, V), how many people gave each answer. Ours: that loss, label smoothing, the average of the
weights, and the networks for 48 pixels; all are off in the published runs.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fer_jax.core import optimisers, schedules
from fer_jax.core.errors import UsageError
from fer_jax.core.metrics import classification
from fer_jax.core.protocols import Batch, Metrics, Prediction
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.losses.classification import cross_entropy, vote_cross_entropy
from fer_jax.nn.backbones import normalise
from fer_jax.nn.crops import crops
from fer_jax.systems.classifier import networks as models
from fer_jax.systems.classifier.config import Config

_ANSWERS = 10  # that FER+ let people give


@dataclasses.dataclass(frozen=True)
class Classifier:
    """The network, its optimiser, and what it learns from.

    Attributes:
      norm: a name of `fer_jax.nn.backbones.NORMS`.
      label_smoothing: share of the probability that a label leaves to all classes alike.
      votes: weight of the loss of FER+'s votes; 0 = none.
      ema_decay: of the average of the weights; 0 = none.
      tta: parts of a picture that are asked in evaluation, a name of `fer_jax.nn.crops.CROPS`.
    """

    net: models.EmotionNet
    tx: optax.GradientTransformation
    data: DataSpec
    norm: str = "none"
    label_smoothing: float = 0.0
    votes: float = 0.0
    ema_decay: float = 0.0
    tta: str = "single"

    def init(self, key: jax.Array) -> TrainState:
        """A new network."""
        picture = jnp.zeros((1, self.data.image_size, self.data.image_size, self.data.channels))
        variables = self.net.init(key, picture, train=False)
        stats = {"batch_stats": variables["batch_stats"]}
        return TrainState.create(net=NetState.create(variables["params"], self.tx, stats=stats, ema=self.ema_decay > 0))

    def normalise(self, image: jax.Array) -> jax.Array:
        """Pictures (B, S, S, C) in [0, 1] -> the network's input."""
        return normalise(image, self.norm)

    def say(self, state: TrainState, image: jax.Array) -> models.Said:
        """Pictures (B, S, S, C) in [0, 1] -> what the network says, with the running statistics."""
        net = state.nets["net"]
        said: Any = self.net.apply({"params": net.averaged, **net.stats}, self.normalise(image), train=False)
        return said

    # ---- loss and update ----

    def loss(self, params: Any, stats: Any, face: Mapping[str, jax.Array]):
        """In training mode -> (total, (terms, logits, new statistics))."""
        said: Any
        said, updated = self.net.apply(
            {"params": params, **stats}, self.normalise(face["image"]), train=True, mutable="batch_stats"
        )
        terms = {"expression": cross_entropy(said.logits, face["expression"], smoothing=self.label_smoothing)}
        total = terms["expression"]
        if self.votes:
            terms["votes"] = vote_cross_entropy(said.votes, face["ferplus"])
            total = total + self.votes * terms["votes"]
        return total, (terms, said.logits, updated)

    def phase(self, step: int) -> str:
        """Every step does the same."""
        del step
        return "train"

    def train_step(self, state: TrainState, batch: Batch, key: jax.Array, phase: str) -> tuple[TrainState, Metrics]:
        """One update. Nothing is drawn: `key` is not used."""
        del key, phase
        net, face = state.nets["net"], batch["face"]
        grads, (terms, logits, stats) = jax.grad(self.loss, has_aux=True)(net.params, net.stats, face)
        net = net.update(grads, self.tx, ema_decay=self.ema_decay).replace(stats=stats)  # type: ignore[attr-defined]
        metrics = {f"loss/{name}": value for name, value in terms.items()}
        metrics["accuracy"] = (logits.argmax(-1) == face["expression"]).mean()
        return state.replace(step=state.step + 1, nets={"net": net}), metrics  # type: ignore[attr-defined]

    # ---- use ----

    recognition_stream = "face"  # stream whose evaluation view the pictures are seen with

    def prepare(self, state: TrainState) -> TrainState:
        """Nothing is the same for all pictures."""
        return state

    def features(self, state: TrainState, image: jax.Array) -> jax.Array:
        """Pictures (B, S, S, C) in [0, 1] -> what the head sees of them, (B, F)."""
        return self.say(state, image).features

    def predict(self, state: TrainState, image: jax.Array) -> Prediction:
        """Predictions for images (B, S, S, C) in [0, 1], the mean over the parts that `tta` names."""
        logits = [self.say(state, part).logits for part in crops(image, self.tta)]
        return Prediction(jnp.stack(logits).mean(0))

    def eval_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Mapping[str, jax.Array]:
        """Features and logits, each the mean over the parts that `tta` names, and labels."""
        del key
        face = batch["face"]
        said = [self.say(state, part) for part in crops(face["image"], self.tta)]
        means = {n: jnp.stack([getattr(one, n) for one in said]).mean(0) for n in ("features", "logits")}
        return {**means, "expression": face["expression"]}

    def score(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Figures of the classes."""
        names = self.data.classes["expression"]
        return {"expression": classification(outputs["logits"], outputs["expression"], names)}

    columns = ("face",)  # of the sample sheet

    def sample(self, state: TrainState, batch: Batch, key: jax.Array) -> tuple[jax.Array, ...]:
        """The pictures as they are seen."""
        del state, key
        return (batch["face"]["image"],)


def only_head(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """Feature extraction: the backbone's parameters stay (its statistics do not, as in the reference)."""

    def labels(params: Mapping[str, Any]) -> dict[str, str]:
        return {name: "frozen" if name == "body" else "trained" for name in params}  # of whole subtrees

    return optax.multi_transform({"trained": tx, "frozen": optax.set_to_zero()}, labels)


def build(config: Config, data: DataSpec) -> Classifier:
    """The system of a config.

    Raises:
      UsageError: a value out of range.
    """
    model, loss = config.model, config.loss
    if not 0 <= loss.label_smoothing < 1 or loss.votes < 0:
        raise UsageError("config.loss: label_smoothing must be in [0, 1) and votes not below 0")
    total = schedules.total_steps(config.run, data.steps_per_epoch)
    tx = optimisers.build(config.optim, total, data.steps_per_epoch)
    return Classifier(
        net=models.EmotionNet(
            len(data.classes["expression"]),
            model.backbone,
            model.depths or (),
            model.width or 0,
            model.head,
            _ANSWERS if loss.votes else 0,
            optimisers.compute_dtype(config.precision),
        ),
        tx=tx if config.fine_tune else only_head(tx),
        data=data,
        norm=config.norm,
        label_smoothing=loss.label_smoothing,
        votes=loss.votes,
        ema_decay=config.ema_decay or 0.0,
        tta=config.tta,
    )
