"""The judge of edited faces: an action-unit regressor, expression classifier and identity network in one.

Ours, of no publication: what `rendered_faces` makes possible, since its factors are known. The editors' evaluation
asks it whether the unit that was to change did, whether the others stayed, and whether the person is the same
(`evaluation.editing`). It must be trained on other people than the editor: `configs/face_evaluator.py` has another
seed. A batch holds two streams: "face", image (B, S, S, C) in [0, 1], aus (B, 17) in [0, 1], expression and identity
(B,); and "free", the same without expression, whose action units come in any combination. From the latter alone it
learns the units: those of "face" say each other, and a judge that guesses does not believe a picture in which one
alone has changed.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fer_jax.core import optimisers
from fer_jax.core.labels import AU_NAMES, AU_NUMBERS
from fer_jax.core.metrics import agreement, classification, verification
from fer_jax.core.protocols import Batch, Metrics, Prediction, interleave
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.losses.classification import cross_entropy
from fer_jax.systems.face_evaluator.config import Config, LossConfig
from fer_jax.systems.face_evaluator.networks import FaceEvaluatorNet, Gallery, Judgement


@dataclasses.dataclass(frozen=True)
class FaceEvaluatorSystem:
    """The network, the gallery of the people it is trained on, and how both are updated together."""

    net: FaceEvaluatorNet
    gallery: Gallery
    tx: optax.GradientTransformation
    data: DataSpec
    weights: LossConfig = LossConfig()
    ema_decay: float = 0.0

    def init(self, key: jax.Array) -> TrainState:
        """New networks."""
        net_key, gallery_key = jax.random.split(key)
        picture = jnp.zeros((1, self.data.image_size, self.data.image_size, self.data.channels))
        variables = self.net.init(net_key, picture, train=False)
        gallery = self.gallery.init(gallery_key, jnp.zeros((1, self.net.embedding)))["params"]
        return TrainState.create(
            net=NetState.create(
                variables["params"],
                self.tx,
                stats={"batch_stats": variables["batch_stats"]},
                ema=self.ema_decay > 0,
            ),
            gallery=NetState.create(gallery, self.tx),
        )

    def judge(self, state: TrainState, image: jax.Array) -> Judgement:
        """Pictures (B, S, S, C) in [0, 1] -> what the network says, with the running statistics."""
        net = state.nets["net"]
        said: Any = self.net.apply({"params": net.averaged, **net.stats}, image, train=False)
        return said

    def loss(self, params: Mapping[str, Any], stats: Any, batch: Batch):
        """Of both networks' parameters -> (total, (terms, new statistics))."""
        face, free = batch["face"], batch["free"]
        image, identity = (interleave(face[name], free[name]) for name in ("image", "identity"))
        said: Any
        said, updated = self.net.apply({"params": params["net"], **stats}, image, train=True, mutable="batch_stats")
        who: Any = self.gallery.apply({"params": params["gallery"]}, said.identity)
        terms = {
            "aus": optax.sigmoid_binary_cross_entropy(said.aus[1::2], free["aus"]).mean(),
            "expression": cross_entropy(said.logits[0::2], face["expression"]),
            "identity": cross_entropy(who, identity),
        }
        total = sum(getattr(self.weights, name) * term for name, term in terms.items())
        return total, (terms, updated)

    def phase(self, step: int) -> str:
        """Every step does the same."""
        del step
        return "train"

    def train_step(self, state: TrainState, batch: Batch, key: jax.Array, phase: str) -> tuple[TrainState, Metrics]:
        """One update. Nothing is drawn: `key` is not used."""
        del key, phase
        net, gallery = state.nets["net"], state.nets["gallery"]
        params = {"net": net.params, "gallery": gallery.params}
        grads, (terms, stats) = jax.grad(self.loss, has_aux=True)(params, net.stats, batch)
        nets = {
            "net": net.update(grads["net"], self.tx, ema_decay=self.ema_decay).replace(stats=stats),  # type: ignore[attr-defined]
            "gallery": gallery.update(grads["gallery"], self.tx),
        }
        metrics = {f"loss/{name}": value for name, value in terms.items()}
        return state.replace(step=state.step + 1, nets=nets), metrics  # type: ignore[attr-defined]

    # ---- use ----

    recognition_stream = "face"  # stream whose evaluation view the pictures are seen with

    def prepare(self, state: TrainState) -> TrainState:
        """Nothing is the same for all pictures."""
        return state

    def predict(self, state: TrainState, image: jax.Array) -> Prediction:
        """Predictions for images (B, S, S, C) in [0, 1]."""
        return Prediction(self.judge(state, image).logits)

    def eval_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Mapping[str, jax.Array]:
        """Outputs of the network beside the labels."""
        del key
        face = batch["face"]
        said = self.judge(state, face["image"])
        true = {f"true_{name}": face[name] for name in ("aus", "expression", "identity")}
        return {"aus": jax.nn.sigmoid(said.aus), "logits": said.logits, "code": said.identity, **true}

    def score(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Figures of each action unit and their mean ("aus"), of the classes, and of telling people apart."""
        names = AU_NAMES
        units = {n: agreement(outputs["aus"][:, i], outputs["true_aus"][:, i]) for i, n in enumerate(names)}
        mean = {name: float(np.mean([unit[name] for unit in units.values()])) for name in ("ccc", "pcc", "rmse")}
        gap = outputs["aus"] - outputs["true_aus"]
        return {
            "expression": classification(
                outputs["logits"], outputs["true_expression"], self.data.classes["expression"]
            ),
            "aus": mean
            | {"mae": float(np.abs(gap).mean()), "examples": len(gap)}
            | {"units": names, "ccc_of_units": [unit["ccc"] for unit in units.values()]},
            "identity": verification(outputs["code"], outputs["true_identity"]),
        }

    columns = ("face",)  # of the sample sheet

    def sample(self, state: TrainState, batch: Batch, key: jax.Array) -> tuple[jax.Array, ...]:
        """The pictures as they are seen."""
        del state, key
        return (batch["face"]["image"],)


def build(config: Config, data: DataSpec) -> FaceEvaluatorSystem:
    """The system of a config."""
    model, rate = config.model, config.optim
    return FaceEvaluatorSystem(
        net=FaceEvaluatorNet(
            len(AU_NUMBERS),
            len(data.classes["expression"]),
            model.embedding,
            model.depths,
            model.width,
            optimisers.compute_dtype(config.precision),
        ),
        gallery=Gallery(config.people),
        tx=optimisers.adam(rate.lr, first_lr=rate.first_lr, first_steps=rate.first_steps),
        data=data,
        weights=config.loss,
        ema_decay=config.ema_decay or 0.0,
    )
