"""Networks of Emotion-GCN (Antoniadis, Filntisis, Maragos, FG 2021; reference: PanosAntoniadis/emotion-gcn).

Class logits and valence/arousal from one face, on either of two backbones. Three kinds: `single_task` (classes alone),
`multi_task` (two linear heads) and `emotion_gcn` (both heads made by a graph network from word vectors of what they
stand for). Pictures are (B, S, S, C), normalised with the mean and deviation of ImageNet; S is free (published: 227
and 112 for DenseNet, 112 for BReG-NeXt, which needs a multiple of 4). Outputs are plain linear: no softmax, no tanh.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from fer_jax.core.protocols import Prediction
from fer_jax.nn import bregnext
from fer_jax.nn.bregnext import BREGNEXT_50, BRegNext
from fer_jax.nn.densenet import DENSENET_121, DenseNet
from fer_jax.nn.layers import Dense, global_max, torch_uniform

# Tensors of the reference's state dicts that no network uses.
UNUSED_TENSORS = ("model._fc0.weight", "model._fc0.bias")


def torch_names(backbone: str, kind: str) -> tuple[tuple[str, str], ...]:
    """Names here -> PyTorch names (see fer_jax.interop.torch_names) of one of the six networks.

    Paths begin with the collection ("params", "batch_stats" or "graph"), which is no part of a name there.
    """
    prefix, heads = {
        ("densenet", "single_task"): ("features.", {"category": "classifier"}),
        ("densenet", "multi_task"): ("model_base.", {"category": "lin_cat", "circumplex": "lin_cont"}),
        ("densenet", "emotion_gcn"): ("features.", {}),
        ("bregnext", "single_task"): ("", {"category": "_fc0"}),
        ("bregnext", "multi_task"): ("", {"category": "fc_cat", "circumplex": "fc_cont"}),
        ("bregnext", "emotion_gcn"): ("model.", {}),
    }[backbone, kind]
    return (
        (r"^(params|batch_stats|graph)(\.|$)", ""),
        *((rf"^{ours}\.linear$", theirs) for ours, theirs in heads.items()),
        *(bregnext.TORCH_NAMES if backbone == "bregnext" else ()),
        (r"^features\.", prefix),
    )


class Graph(NamedTuple):
    """The constants of the graph head; rows are the classes in their order, then valence and arousal.

    Attributes:
      adjacency: (N, N), whose rows sum to 1; see `fer_jax.systems.emotion_gcn.graph`.
      nodes: (N, W) word vectors.
    """

    adjacency: jax.Array | np.ndarray
    nodes: jax.Array | np.ndarray


def normalise(adjacency: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """D^-1/2 A^T D^-1/2 with D the row sums, in float32 as the reference.

    Rows sum to 1, so this is the transpose: a node receives what its neighbours share out.
    """
    adjacency = adjacency.astype(jnp.float32)
    scale = lax.rsqrt(adjacency.sum(1))
    return (adjacency * scale).T * scale


class GraphConvolution(nn.Module):
    """Links @ (nodes @ weight). (N, I) and (N, N) -> (N, features). Uniform in +-1/sqrt(features), as the reference."""

    features: int

    @nn.compact
    def __call__(self, nodes: Float[Array, "n i"], links: Float[Array, "n n"]) -> Float[Array, "n o"]:
        weight = self.param("weight", torch_uniform(self.features), (nodes.shape[-1], self.features))
        return links @ (nodes @ weight)


class EmotionNet(nn.Module):
    """A backbone and its heads. (B, S, S, C) -> Prediction.

    Attributes:
      classes: number of expressions, K.
      kind: "single_task", "multi_task" or "emotion_gcn".
      backbone: "densenet" or "bregnext".
      depths: layers of the blocks of the backbone; () = as published.
      width: DenseNet's growth (its first convolution has twice as many maps), or BReG-NeXt's first width.
      hidden: width of the graph network between its two layers.
    """

    classes: int
    kind: str = "emotion_gcn"
    backbone: str = "densenet"
    depths: tuple[int, ...] = ()
    width: int = 32
    hidden: int = 512
    dtype: jnp.dtype | None = None

    def setup(self):
        if self.backbone == "densenet":
            depths, width = self.depths or DENSENET_121, self.width
            self.features: DenseNet | BRegNext = DenseNet(depths, width, 2 * width, dtype=self.dtype)
        else:
            self.features = BRegNext(self.depths or BREGNEXT_50, self.width, self.dtype)
        if self.kind == "emotion_gcn":
            self.gc1, self.gc2 = GraphConvolution(self.hidden), GraphConvolution(self.features.maps)
        else:
            self.category = Dense(self.classes)
        if self.kind == "multi_task":
            self.circumplex = Dense(2)

    def classifier(self, graph: Graph) -> Float[Array, "n f"]:
        """The graph network: one row of weights for each node. It does not depend on the picture."""
        links, nodes = normalise(jnp.asarray(graph.adjacency)), jnp.asarray(graph.nodes)
        return self.gc2(nn.leaky_relu(self.gc1(nodes, links), 0.2), links)

    def pool(self, features: Float[Array, "b p p f"]) -> Float[Array, "b f"]:
        """As the reference: DenseNet's maxima, not rectified, for the graph head, else its rectified means."""
        features = features.astype(jnp.promote_types(features.dtype, jnp.float32))
        if self.backbone == "densenet":
            if self.kind == "emotion_gcn":
                return global_max(features)
            features = nn.relu(features)
        return features.mean((1, 2))

    def __call__(
        self,
        x: Float[Array, "b s s c"],
        graph: Graph | None = None,
        *,
        train: bool,
        classifier: Float[Array, "n f"] | None = None,
    ) -> Prediction:
        """The graph head needs `graph`, or at inference what the method `classifier` made of it once."""
        pooled = self.pool(self.features(x, train=train))
        if self.kind == "emotion_gcn":
            if classifier is None:
                if graph is None:
                    raise ValueError("EmotionNet: the graph head needs its graph")
                classifier = self.classifier(graph)
            scores = pooled @ classifier.T
            return Prediction(scores[:, : self.classes], scores[:, self.classes :])
        return Prediction(self.category(pooled), self.circumplex(pooled) if self.kind == "multi_task" else None)
