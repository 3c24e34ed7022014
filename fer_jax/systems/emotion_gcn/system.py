"""Emotion-GCN: class and valence/arousal from one network (Antoniadis, Filntisis, Maragos, FG 2021).

The reference is PanosAntoniadis/emotion-gcn. One network, one loss: cross entropy, weighted by class where the data
set asks for it, plus `lambda_multi` times 1 - the concordance of valence and arousal over the batch. A batch holds one
stream, "face": image (B, S, S, C) in [0, 1], expression (B,), valence (B,) and arousal (B,) in [-1, 1].
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import logging

from fer_jax.core import optimisers, schedules
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import VALENCE_AROUSAL, expression_name
from fer_jax.core.metrics import agreement, classification
from fer_jax.core.protocols import Batch, Metrics, Prediction
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.losses.agreement import ccc_loss
from fer_jax.losses.classification import cross_entropy
from fer_jax.nn.backbones import normalise
from fer_jax.nn.bregnext import BREGNEXT_50
from fer_jax.nn.densenet import DENSENET_121
from fer_jax.systems.emotion_gcn import correlation, glove
from fer_jax.systems.emotion_gcn import graph as graphs
from fer_jax.systems.emotion_gcn import networks as models
from fer_jax.systems.emotion_gcn.config import Config, GraphConfig

_CLASSIFIER = "classifier"  # in the state's `extra`, see EmotionGcn.prepare


@dataclasses.dataclass(frozen=True, eq=False)
class EmotionGcn:
    """The network, its optimiser, and how it is updated.

    Attributes:
      graph: the graph head's constants; None for the other kinds. They go into the state, so a checkpoint has them.
      words: what the graph's word vectors are, for the results.
      lambda_multi: weight of the valence/arousal loss (the reference reads it and uses 1).
      mixed_ccc: the reference's concordance, with two divisors; False: Lin's.
      class_weights: of the cross entropy, one for each class; () = none.
    """

    net: models.EmotionNet
    tx: optax.GradientTransformation
    data: DataSpec
    graph: models.Graph | None = None
    words: str = ""
    lambda_multi: float = 1.0
    mixed_ccc: bool = True
    class_weights: tuple[float, ...] = ()

    def init(self, key: jax.Array) -> TrainState:
        """The network with the reference's initialisation."""
        picture = jnp.zeros((1, self.data.image_size, self.data.image_size, self.data.channels))
        graph = jax.tree.map(jnp.asarray, self.graph)
        variables = self.net.init(key, picture, graph, train=False)
        stats = {"batch_stats": variables["batch_stats"]}
        if graph is not None:
            stats["graph"] = graph._asdict()
        return TrainState.create(net=NetState.create(variables["params"], self.tx, stats=stats))

    # ---- network ----

    def predict(self, state: TrainState, image: jax.Array) -> Prediction:
        """Pictures (B, S, S, C) in [0, 1] -> logits (B, K) and valence/arousal (B, 2), with the running statistics."""
        net = state.nets["net"]
        prediction: Any = self.net.apply(
            {"params": net.averaged, "batch_stats": net.stats["batch_stats"]},
            normalise(image, "imagenet"),
            _graph(net.stats),
            train=False,
            classifier=state.extra.get(_CLASSIFIER),
        )
        return prediction

    def prepare(self, state: TrainState) -> TrainState:
        """A state to predict with, not to train: what the graph head makes of its nodes is computed once and kept."""
        net = state.nets["net"]
        if (graph := _graph(net.stats)) is None:
            return state
        classifier = self.net.apply({"params": net.averaged}, graph, method="classifier")
        return state.replace(extra={**state.extra, _CLASSIFIER: classifier})  # type: ignore[attr-defined]

    # ---- loss and update ----

    def terms(self, prediction: Prediction, expression: jax.Array, va: jax.Array) -> dict[str, jax.Array]:
        """Loss terms by name, for labels (B,) and (B, 2), and their weighted sum as "total"."""
        weights = jnp.asarray(self.class_weights, jnp.float32) if self.class_weights else None
        terms = {"expression": cross_entropy(prediction.logits, expression, weights)}
        total = terms["expression"]
        if prediction.valence_arousal is not None:
            terms["va"] = ccc_loss(prediction.valence_arousal, va, mixed=self.mixed_ccc)
            total = total + self.lambda_multi * terms["va"]
        return terms | {"total": total}

    def loss(self, params: Any, stats: Any, x: jax.Array, expression: jax.Array, va: jax.Array):
        """Of normalised pictures x (B, S, S, C), in training mode -> (total, (terms, prediction, new statistics))."""
        prediction, updated = self.net.apply(
            {"params": params, "batch_stats": stats["batch_stats"]}, x, _graph(stats), train=True, mutable="batch_stats"
        )
        terms = self.terms(prediction, expression, va)
        return terms["total"], (terms, prediction, {**stats, **updated})

    def phase(self, step: int) -> str:
        """Every step does the same."""
        del step
        return "train"

    def train_step(self, state: TrainState, batch: Batch, key: jax.Array, phase: str) -> tuple[TrainState, Metrics]:
        """One update. Nothing is drawn: `key` is not used."""
        del key, phase
        net, face = state.nets["net"], batch["face"]
        grads, (terms, prediction, stats) = jax.grad(self.loss, has_aux=True)(
            net.params, net.stats, normalise(face["image"], "imagenet"), face["expression"], _va(face)
        )
        right = prediction.logits.argmax(-1) == face["expression"]
        metrics = {f"loss/{name}": value for name, value in terms.items()} | {"accuracy": right.mean()}
        net = net.update(grads, self.tx).replace(stats=stats)  # type: ignore[attr-defined]
        return state.replace(step=state.step + 1, nets={"net": net}), metrics  # type: ignore[attr-defined]

    # ---- use ----

    recognition_stream = "face"  # stream whose evaluation view the pictures are seen with

    def eval_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Mapping[str, jax.Array]:
        """Logits, and predicted and true valence and arousal where the network predicts them."""
        del key
        face = batch["face"]
        prediction = self.predict(state, face["image"])
        outputs = {"logits": prediction.logits, "expression": face["expression"]}
        if prediction.valence_arousal is not None:
            outputs |= {"va": prediction.valence_arousal, "true_va": _va(face)}
        return outputs

    def score(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Figures of the classes, of valence and of arousal, and the mean of the latter two ("mean").

        Concordances and correlations are of the whole split, not means over batches.
        """
        names = self.data.classes["expression"]
        figures: dict[str, Any] = {"expression": classification(outputs["logits"], outputs["expression"], names)}
        if self.words:
            figures["expression"]["word_vectors"] = self.words
        if "va" in outputs:
            each = {n: agreement(outputs["va"][:, i], outputs["true_va"][:, i]) for i, n in enumerate(VALENCE_AROUSAL)}
            first, second = each.values()
            figures |= each
            figures["mean"] = {name: (value + second[name]) / 2 for name, value in first.items() if name != "examples"}
            figures["mean"]["examples"] = first["examples"]
        return figures

    columns = ("face",)  # of the sample sheet

    def sample(self, state: TrainState, batch: Batch, key: jax.Array) -> tuple[jax.Array, ...]:
        """The pictures as they are seen."""
        del state, key
        return (batch["face"]["image"],)


def _graph(stats: Mapping[str, Any]) -> models.Graph | None:
    return models.Graph(**stats["graph"]) if "graph" in stats else None


def _va(face: Mapping[str, jax.Array]) -> jax.Array:
    return jnp.stack([face[name] for name in VALENCE_AROUSAL], -1)


def inverse_frequency(counts: Mapping[str, int], classes: Sequence[str]) -> tuple[float, ...]:
    """Class weights as the reference's: the rarest class's count over each one's, by class name; () without counts.

    Raises:
      UsageError: a class has no count, or one that is not above 0.
    """
    if not counts:
        return ()
    by_name = {expression_name(name): count for name, count in counts.items()}
    for name in classes:
        if by_name.get(expression_name(name), 0) <= 0:
            raise UsageError(
                f"config.loss.class_counts: no count above 0 for {name!r}; give one, or none for any class"
            )
    own = [by_name[expression_name(name)] for name in classes]
    return tuple(min(own) / count for count in own)


def make_graph(config: GraphConfig, classes: Sequence[str]) -> tuple[models.Graph, str]:
    """The constants of the graph head for a data set's classes, and a name for the word vectors.

    Args:
      config: `correlation`, a file of `correlation` (None: AffectNet's, embedded); `glove`, a file of
        word vectors (None: a stand-in of `width` numbers drawn from `seed`).
      classes: in the data set's order.

    Raises:
      UsageError: a file cannot be read, or lacks a class or word.
    """
    words = graphs.node_words(classes)
    if config.glove:
        nodes, name = glove.read_vectors(config.glove, words), "GloVe"
    else:
        nodes, name = glove.stand_in(words, config.width, config.seed), f"random stand-in, seed {config.seed}"
        logging.warning(
            "config.graph.glove: no file given; the nodes get random vectors, which say nothing about words"
        )
    matrix = (
        correlation.read(config.correlation, classes) if config.correlation else graphs.affectnet_correlation(classes)
    )
    return models.Graph(graphs.adjacency(matrix).astype(np.float32), nodes), name


def build(config: Config, data: DataSpec) -> EmotionGcn:
    """The system of a config.

    Raises:
      UsageError: images that the backbone cannot take, or what the parts of the config refuse.
    """
    model, classes, rate = config.model, data.classes["expression"], config.optim
    depths, size = model.depths or (), data.image_size
    if model.backbone == "bregnext" and size % (multiple := 2 ** (len(depths or BREGNEXT_50) - 1)):
        # Its skip cannot halve odd sides.
        raise UsageError(f"config.data.image_size: bregnext needs a multiple of {multiple}, got {size}")
    if model.backbone == "densenet" and size < (least := 2 ** (len(depths or DENSENET_121) + 1)):
        raise UsageError(f"config.data.image_size: densenet of these depths needs {least} or more, got {size}")
    graph, words = make_graph(config.graph, classes) if model.kind == "emotion_gcn" else (None, "")
    steps = max(rate.decay_epochs * data.steps_per_epoch, 1)
    return EmotionGcn(
        net=models.EmotionNet(
            len(classes),
            model.kind,
            model.backbone,
            depths,
            model.width,
            model.hidden,
            optimisers.compute_dtype(config.precision),
        ),
        tx=optimisers.sgd(schedules.staircase(rate.lr, rate.decay, steps), rate.momentum, rate.weight_decay),
        data=data,
        graph=graph,
        words=words,
        lambda_multi=config.loss.lambda_multi,
        mixed_ccc=config.loss.ccc == "mixed",
        class_weights=inverse_frequency(config.loss.class_counts or {}, classes),
    )
