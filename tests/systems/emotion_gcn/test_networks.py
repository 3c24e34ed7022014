import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.nn.bregnext import Shortcut
from fer_jax.nn.densenet import DENSENET_201, DenseNet
from fer_jax.systems.emotion_gcn import graph
from fer_jax.systems.emotion_gcn import networks as models

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")


def small_graph():
    links = graph.adjacency(graph.affectnet_correlation(CLASSES)).astype(np.float32)
    return models.Graph(jnp.asarray(links), jax.random.normal(jax.random.key(1), (9, 300)))


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("backbone", "kind", "parameters", "statistics"),
    [
        ("densenet", "single_task", 6_961_031, 83_648),
        ("densenet", "multi_task", 6_963_081, 83_648),
        ("densenet", "emotion_gcn", 7_631_825 - 81, 83_648),  # the reference counts its constant adjacency
        ("bregnext", "single_task", 3_072_567, 7_360),
        ("bregnext", "multi_task", 3_072_825, 7_360),
        ("bregnext", "emotion_gcn", 3_291_784 - 81 - 903, 7_360),  # and a layer that it never uses
    ],
)
def test_parameter_counts_are_the_references(backbone, kind, parameters, statistics):
    net = models.EmotionNet(7, kind, backbone)
    links = small_graph() if kind == "emotion_gcn" else None
    shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), jnp.zeros((1, 112, 112, 3)), links, train=False))
    assert count(shapes["params"]) == parameters
    assert count(shapes["batch_stats"]) == statistics


def test_densenet_201_is_torchvisions():
    net = DenseNet(DENSENET_201)
    shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3)), train=False))
    assert net.maps == 1920
    assert count(shapes["params"]) + 1920 * 1000 + 1000 == 20_013_928  # with its classifier of 1000 classes


def tiny(backbone, kind="emotion_gcn"):
    net = models.EmotionNet(7, kind, backbone, depths=(1, 2) if backbone == "densenet" else (1, 1), width=4, hidden=8)
    x = jax.random.normal(jax.random.key(0), (3, 32, 32, 3))
    links = small_graph() if kind == "emotion_gcn" else None
    return net, net.init(jax.random.key(2), x, links, train=False), x, links


@pytest.mark.parametrize("backbone", ("densenet", "bregnext"))
def test_what_the_graph_makes_can_be_kept(backbone):
    net, variables, x, links = tiny(backbone)
    prediction = net.apply(variables, x, links, train=False)
    made = net.apply(variables, links, method="classifier")
    kept = net.apply(variables, x, train=False, classifier=made)
    assert prediction.logits.shape == (3, 7) and prediction.valence_arousal.shape == (3, 2)
    np.testing.assert_allclose(prediction.logits, kept.logits, rtol=1e-6)
    np.testing.assert_allclose(prediction.valence_arousal, kept.valence_arousal, rtol=1e-6)


@pytest.mark.parametrize(("backbone", "sides"), [("densenet", (31, 48)), ("bregnext", (32, 48))])
def test_other_picture_sizes_will_do(backbone, sides):
    net, variables, _, links = tiny(backbone)
    for side in sides:
        prediction = net.apply(variables, jnp.zeros((2, side, side, 3)), links, train=False)
        assert prediction.logits.shape == (2, 7)


@pytest.mark.parametrize("backbone", ("densenet", "bregnext"))
def test_bfloat16_computes_in_bfloat16_and_answers_in_float32(backbone):
    net, variables, x, links = tiny(backbone)
    half = net.clone(dtype=jnp.dtype(jnp.bfloat16))
    out, updated = half.apply(variables, x, links, train=True, mutable="batch_stats")
    assert out.logits.dtype == out.valence_arousal.dtype == jnp.float32
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(updated))
    full, _ = net.apply(variables, x, links, train=True, mutable="batch_stats")
    np.testing.assert_allclose(out.logits, full.logits, atol=0.1 * float(jnp.abs(full.logits).max()))


def test_the_shortcut_is_a_line_where_the_formula_is_0_by_0():
    x = jnp.array([-3.0, 0.0, 0.5])
    for a in (0.0, 1e-20, 1e-3):
        params = {"a": jnp.array([a]), "c": jnp.array([2.0])}
        y, of = jax.value_and_grad(lambda p: Shortcut().apply({"params": p}, x).sum())(params)
        np.testing.assert_allclose(y, x.sum() / 5, rtol=1e-5)
        assert np.isfinite(of["a"]).all() and np.isfinite(of["c"]).all()
    params = {"a": jnp.ones(1), "c": jnp.zeros(1)}
    np.testing.assert_allclose(Shortcut().apply({"params": params}, x), np.arctan(x), rtol=1e-6)
