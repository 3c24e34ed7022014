"""BYOL on faces, from which a classifier may start (reference: `train_byol.py` of the FER2013 study; lightly 1.5).

Two views of each picture; the network learns to foretell, from one, what a moving copy of it makes of the other. A
batch holds two streams with the same pictures: "face" and "view", image (B, S, S, C) in [0, 1] each; "face" has the
label expression, with which evaluation asks what the features know. Nothing of it is trained on.
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
from fer_jax.core.metrics import probe
from fer_jax.core.protocols import Batch, Metrics
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.nn.backbones import normalise
from fer_jax.systems.byol.config import Config
from fer_jax.systems.byol.losses import negative_cosine
from fer_jax.systems.byol.networks import COPIED, Byol

_COPY = "momentum"  # in the state's `extra`: parameters and statistics of the moving copy


@dataclasses.dataclass(frozen=True)
class ByolSystem:
    """The network, its moving copy, and how both are updated.

    Attributes:
      momentum: share of its old parameters that the copy keeps in a step.
      norm: of the pictures, a name of `fer_jax.nn.backbones.NORMS`.
    """

    net: Byol
    tx: optax.GradientTransformation
    data: DataSpec
    momentum: float = 0.99
    norm: str = "none"

    def init(self, key: jax.Array) -> TrainState:
        """A new network, and its copy."""
        picture = jnp.zeros((1, self.data.image_size, self.data.image_size, self.data.channels))
        variables = self.net.init(key, picture, train=False)
        params, stats = variables["params"], {"batch_stats": variables["batch_stats"]}
        state = TrainState.create(net=NetState.create(params, self.tx, stats=stats))
        copy = {"params": _copied(params), "batch_stats": _copied(variables["batch_stats"])}
        return state.replace(extra={_COPY: jax.tree.map(jnp.copy, copy)})  # type: ignore[attr-defined]

    def normalise(self, image: jax.Array) -> jax.Array:
        """Pictures (B, S, S, C) in [0, 1] -> the network's input."""
        return normalise(image, self.norm)

    def targets(self, copy: Mapping[str, Any], views: tuple[jax.Array, jax.Array]):
        """What the moving copy makes of both views -> ((z0, z1), its new statistics). It is in training mode too."""
        projections, stats = [], copy["batch_stats"]
        for view in views:
            seen: Any
            seen, updated = self.net.apply(
                {"params": copy["params"], "batch_stats": stats}, view, train=True, predict=False, mutable="batch_stats"
            )
            projections.append(jax.lax.stop_gradient(seen.projection))
            stats = updated["batch_stats"]
        return tuple(projections), stats

    def loss(self, params: Any, stats: Any, views: tuple[jax.Array, jax.Array], targets: tuple[jax.Array, ...]):
        """Each view, normalised by its own batch, foretells the other's target -> (loss, (predictions, statistics))."""
        predictions = []
        for view in views:
            seen: Any
            seen, stats = self.net.apply({"params": params, **stats}, view, train=True, mutable="batch_stats")
            predictions.append(seen.prediction)
        total = (negative_cosine(predictions[0], targets[1]) + negative_cosine(predictions[1], targets[0])) / 2
        return total, (tuple(predictions), stats)

    def phase(self, step: int) -> str:
        """Every step does the same."""
        del step
        return "train"

    def train_step(self, state: TrainState, batch: Batch, key: jax.Array, phase: str) -> tuple[TrainState, Metrics]:
        """The copy moves, then the network learns. Nothing is drawn: `key` is not used."""
        del key, phase
        net, copy = state.nets["net"], state.extra[_COPY]
        views = (self.normalise(batch["face"]["image"]), self.normalise(batch["view"]["image"]))
        moved = optax.incremental_update(_copied(net.params), copy["params"], 1 - self.momentum)
        targets, copy_stats = self.targets({**copy, "params": moved}, views)
        (loss, (_, stats)), grads = jax.value_and_grad(self.loss, has_aux=True)(net.params, net.stats, views, targets)
        net = net.update(grads, self.tx).replace(stats=stats)  # type: ignore[attr-defined]
        extra = {_COPY: {"params": moved, "batch_stats": copy_stats}}
        return state.replace(step=state.step + 1, nets={"net": net}, extra=extra), {"loss": loss}  # type: ignore[attr-defined]

    # ---- use ----

    def eval_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Mapping[str, jax.Array]:
        """Features and labels."""
        del key
        face, net = batch["face"], state.nets["net"]
        seen: Any = self.net.apply({"params": net.params, **net.stats}, self.normalise(face["image"]), train=False)
        return {"features": seen.features, "expression": face["expression"]}

    def score(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """How well a linear probe tells expressions by the features, see `fer_jax.core.metrics.probe`."""
        return {"probe": probe(outputs["features"], outputs["expression"])}

    columns = ("face", "view")  # of the sample sheet

    def sample(self, state: TrainState, batch: Batch, key: jax.Array) -> tuple[jax.Array, ...]:
        """Both views as evaluation sees them."""
        del state, key
        return batch["face"]["image"], batch["view"]["image"]


def _copied(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tree[name] for name in COPIED}


def build(config: Config, data: DataSpec) -> ByolSystem:
    """The system of a config.

    Raises:
      UsageError: a value out of range.
    """
    model = config.model
    if not 0 <= config.momentum < 1:
        raise UsageError(f"config.momentum: {config.momentum} is not in [0, 1)")
    total = schedules.total_steps(config.run, data.steps_per_epoch)
    return ByolSystem(
        net=Byol(
            model.backbone,
            model.depths or (),
            model.width or 0,
            model.hidden,
            model.embedding,
            optimisers.compute_dtype(config.precision),
        ),
        tx=optimisers.build(config.optim, total, data.steps_per_epoch),
        data=data,
        momentum=config.momentum,
        norm=config.norm,
    )
