"""Emotion-GCN's parts against the reference's own numbers (spec, section 12): graph, head, layers, losses, faces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from fer_jax.core.metrics import agreement
from fer_jax.data import alignment as align
from fer_jax.data import ops
from fer_jax.interop.torch_names import export_tree, import_tree
from fer_jax.losses.agreement import ccc_loss
from fer_jax.losses.classification import cross_entropy
from fer_jax.nn import bregnext
from fer_jax.systems.emotion_gcn import graph
from fer_jax.systems.emotion_gcn import networks as models
from tests.parity.emotion_recipe import (
    AFFECTNET,
    DOUBLE,
    DOUBLE_GRAPH,
    GRADIENTS,
    SINGLE,
    WEIGHTS,
    EmotionFixture,
    check_norms,
    listed_losses,
    losses,
    nchw,
    nhwc,
    norms,
    one_percent_off,
)
from tests.parity.recipe import check_table

SYSTEM = "emotion_gcn"
EXACTNESS = pytest.mark.parametrize("exactness", [SINGLE, DOUBLE_GRAPH], ids=["float32", "float64"])


@pytest.fixture
def load(parity_fixture):
    return lambda name: EmotionFixture(parity_fixture(SYSTEM, name).path)


def must_fail(check, fixture, *parts):
    """Every part of a fixture enters the comparison: 1 % off is noticed."""
    for part in parts:
        with pytest.raises(AssertionError):
            check(one_percent_off(fixture, part))


# ---- graph ----


def check_adjacency(fixture):
    manifest = fixture.manifest
    expected, given = manifest["values"], fixture.numbered()
    labels = given[2]
    centres = np.array(manifest["centres"])
    va = np.round(np.clip(centres[labels] + 0.5 * given[3], -1, 1), 2)
    order = [name.lower() for name in manifest["order"][:-2]]
    matrices = {
        "": graph.affectnet_correlation(order),
        "recomputed_": graph.correlation(labels, va, len(order)),
    }
    actual = {}
    for prefix, matrix in matrices.items():
        links = graph.adjacency(matrix)
        normal = models.normalise(jnp.asarray(links, jnp.float32))
        actual |= {f"{prefix}raw": matrix, f"{prefix}A": links, f"{prefix}adj": np.asarray(normal, np.float64)}
    assert set(actual) == set(expected)
    for name, value in actual.items():
        np.testing.assert_allclose(value, expected[name], atol=2e-7 if "adj" in name else 1e-14, err_msg=name)
    fixture.check(actual, atol=3e-7)


def test_adjacency(load):
    fixture = load("adjacency")
    check_adjacency(fixture)
    must_fail(check_adjacency, fixture, "expected", "values")


# ---- the graph head ----


def head_figures(fixture, exactness):
    """Outputs, losses and gradient norms of the head, by the manifest's names."""
    given, dtype = fixture.numbered(), exactness.dtype
    features, labels, va = nhwc(given[0], dtype), jnp.asarray(given[2]), jnp.asarray(given[3], dtype)
    net = models.EmotionNet(len(AFFECTNET), "emotion_gcn", {1024: "densenet", 128: "bregnext"}[features.shape[1]])
    tensors = fixture.tensors()
    links = models.Graph(jnp.asarray(tensors["A"]), jnp.asarray(given[1], dtype))
    params = {name: {"weight": jnp.asarray(tensors[f"{name}.weight"], dtype)} for name in ("gc1", "gc2")}

    def head(params, features):
        made, kept = net.apply({"params": params}, links, method="classifier", capture_intermediates=True)
        scores, inside = features @ made.T, kept["intermediates"]
        outputs = {
            "out_cat": scores[:, :7],
            "out_cont": scores[:, 7:],
            "gc2_node_outputs": inside["gc2"]["__call__"][0],
        }
        hidden = inside["gc1"]["__call__"][0]
        return outputs | {"gc1_pre_activation": hidden, "gc1_activated": jax.nn.leaky_relu(hidden, 0.2)}

    def loss(params, features, weights):
        outputs = head(params, features)
        ce = cross_entropy(outputs["out_cat"], labels, jnp.asarray(WEIGHTS, jnp.float32))
        return weights[0] * ce + weights[1] * ccc_loss(outputs["out_cont"], va)

    outputs, grad, gradients = jax.jit(head)(params, features), jax.jit(jax.grad(loss, (0, 1))), {}
    names = models.torch_names(net.backbone, net.kind)
    for name, weights in GRADIENTS.items():
        own, of_features = grad(params, features, jnp.asarray(weights, dtype))
        gradients[name] = norms(export_tree({"params": own}, names) | {"INPUT_features": of_features})
    suffix = ".f64" * (exactness.double)
    table = losses(outputs["out_cat"], outputs["out_cont"], labels, va)
    return {name + suffix: np.asarray(value) for name, value in outputs.items()}, table, gradients


@EXACTNESS
@pytest.mark.parametrize("name", ["gcn_head_1024", "gcn_head_128"])
def test_graph_head(load, name, exactness):
    with jax.enable_x64(exactness.double):
        outputs, table, gradients = head_figures(load(name), exactness)

    def check(fixture):
        fixture.check(outputs, of_std=exactness.outputs)
        check_table(table, listed_losses(fixture.manifest, "head", exactness), relative=exactness.losses)
        for loss, expected in fixture.manifest["grad_norms"].items():
            check_norms(gradients[loss], expected, exactness)

    check(load(name))
    must_fail(check, load(name), "expected", "losses", "grad_norms")


# ---- BReG-NeXt's layers ----


def check_shortcut(fixture):
    given = fixture.numbered()
    x, weights = 3 * given[0].astype(np.float64), given[1].astype(np.float64)
    net = bregnext.Shortcut()
    for i, ((a, c), expected) in enumerate(
        zip(fixture.manifest["pairs"], fixture.manifest["scalar_grads"], strict=True)
    ):
        params = {"a": jnp.array([a]), "c": jnp.array([c])}
        total = lambda params, x: jnp.sum(net.apply({"params": params}, x) * weights)  # noqa: E731
        scalars, of_x = jax.grad(total, (0, 1))(params, jnp.asarray(x))
        np.testing.assert_allclose([scalars["a"][0], scalars["c"][0]], expected, rtol=1e-6)
        single = jax.tree.map(lambda leaf: leaf.astype(np.float32), params)
        y = net.apply({"params": single}, jnp.asarray(x, jnp.float32))
        fixture.check({f"y_{i}": np.asarray(y), f"dx_{i}": np.asarray(of_x)}, of_std=1e-6)


def test_shortcut(load):
    fixture = load("breg_shortcut")
    with jax.enable_x64(True):
        check_shortcut(fixture)
        must_fail(check_shortcut, fixture, "expected", "scalar_grads")


def layer_figures(fixture):
    """Outputs, the sum that is differentiated, its gradients and the running statistics, in float64."""
    build, given = fixture.manifest["constructor"], fixture.numbered()
    layer = bregnext.ResidualLayer(build["out_channels"], build["downsample_stride"])
    x, weights = nhwc(given[0], np.float64), nhwc(given[1], np.float64)
    template = jax.eval_shape(lambda: layer.init(jax.random.key(0), x, train=False))
    names = ((r"^(params|batch_stats)(\.|$)", ""), *bregnext.TORCH_NAMES)
    variables = import_tree(template, fixture.tensors(), names, fixture.path.name)
    variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, np.float64), variables)

    def total(params, x):
        y, updated = layer.apply({**variables, "params": params}, x, train=True, mutable="batch_stats")
        return jnp.sum(y * weights), (y, updated)

    still = jax.jit(lambda x: layer.apply(variables, x, train=False))(x)
    (value, (y, updated)), grads = jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True))(variables["params"], x)
    gradients = norms(export_tree({"params": grads[0]}, names) | {"INPUT_x": grads[1]})
    return {"eval.y": nchw(still), "train.y": nchw(y)}, float(value), gradients, norms(export_tree(updated, names))


@pytest.mark.parametrize("name", ["breg_layer_same", "breg_layer_down"])
def test_layer(load, name):
    with jax.enable_x64(True):
        outputs, value, gradients, buffers = layer_figures(load(name))

    def check(fixture):
        fixture.check(outputs, of_std=1e-6)
        check_table({"train.sum": value}, fixture.manifest["losses"], relative=1e-9)
        check_norms(gradients, fixture.manifest["grad_norms"]["train.sum"], DOUBLE)
        check_table(buffers, fixture.manifest["bn_buffers_l2_after_one_train_forward"], relative=1e-9)

    check(load(name))
    must_fail(check, load(name), "expected", "losses", "grad_norms", "bn_buffers_l2_after_one_train_forward")


# ---- losses and metric ----


def check_losses(fixture):
    given, manifest = fixture.numbered(), fixture.manifest
    logits, va = (jnp.asarray(given[k], np.float64) for k in (0, 1))
    labels, true_va = jnp.asarray(given[2]), jnp.asarray(given[3], np.float64)
    weights = jnp.asarray(WEIGHTS, jnp.float32)
    np.testing.assert_array_equal(weights, np.float32(manifest["class_weights_float32"]))
    check_table(losses(logits, va, labels, true_va), listed_losses(manifest, "losses", DOUBLE), relative=1e-9)
    functions = {
        "ce_weighted": lambda logits, va: cross_entropy(logits, labels, weights),
        "ce_unweighted": lambda logits, va: cross_entropy(logits, labels),
        "ccc": lambda logits, va: ccc_loss(va, true_va),
        "total": lambda logits, va: cross_entropy(logits, labels, weights) + ccc_loss(va, true_va),
    }
    for name, function in functions.items():
        grads = dict(zip(("logits", "cont"), jax.grad(function, (0, 1))(logits, va), strict=True))
        check_norms(norms(grads), manifest["grad_norms"][name], DOUBLE)
        whole = {f"d_{name}.{of}": np.asarray(grad) for of, grad in grads.items()}
        listed = manifest["expected"]["outputs"]
        fixture.check({key: value for key, value in whole.items() if key in listed}, of_std=1e-6)


def test_losses(load):
    fixture = load("losses")
    with jax.enable_x64(True):
        check_losses(fixture)
        must_fail(check_losses, fixture, "expected", "losses", "grad_norms")


def check_metric(fixture):
    given, values = fixture.numbered(), fixture.manifest["values"]
    labels = given[1].astype(np.float64)
    outputs = 0.5 * given[0] + 0.5 * labels

    def both(predicted, labels):
        return [agreement(predicted[:, i], labels[:, i])["ccc_reference"] for i in range(labels.shape[1])]

    actual = {
        "ccc_metric": both(outputs, labels),
        "ccc_loss": float(ccc_loss(jnp.asarray(outputs), jnp.asarray(labels))),
    }
    actual |= {"identical": both(labels, labels), "identical_first_3_rows": both(labels[:3], labels[:3])}
    assert set(actual) == set(values)
    for name, value in actual.items():
        np.testing.assert_allclose(value, values[name], rtol=1e-9, err_msg=name)
    fixture.check({"ccc_metric": np.array(actual["ccc_metric"])}, atol=1e-7)


def test_metric(load):
    fixture = load("ccc_metric")
    with jax.enable_x64(True):
        check_metric(fixture)
        must_fail(check_metric, fixture, "expected", "values")


# ---- upright faces ----


def gradient_picture(height, width):
    y, x = np.mgrid[:height, :width]
    channels = (255 * x / (width - 1), 255 * y / (height - 1), 255 * (x + y) / (height + width - 2))
    return np.floor(np.stack(channels, -1)).astype(np.uint8)


def test_alignment(load):
    fixture = load("aligner")
    manifest, given = fixture.manifest, fixture.numbered()
    pictures = {name: picture.astype(np.uint8) for name, picture in (("noise", given[0]), ("square", given[1]))}
    height, width = pictures["noise"].shape[:2]
    for i, (eyes, expected) in enumerate(zip(manifest["eyes"], manifest["M"], strict=True)):
        forward = align.rotation(tuple(eyes[:2]), tuple(eyes[2:]))
        np.testing.assert_allclose(forward, expected, atol=1e-9)
        for name, picture in (("gradient", gradient_picture(height, width)), ("noise", pictures["noise"])):
            key = f"aligned_{name}_{i}"
            if key in manifest["expected"]["outputs"]:  # of W rows and H columns, as the reference has it
                fixture.check({key: align.warp(picture, forward, (width, height))}, atol=1)
    eyes, box = manifest["item_eyes"], align.Box(*manifest["face_x_y_w_h"])
    side = len(pictures["square"])
    for name, picture in (("gradient", gradient_picture(side, side)), ("noise", pictures["square"])):
        face = align.face(picture, tuple(eyes[:2]), tuple(eyes[2:]), box, swap_sides=True)
        fixture.check({f"item.{name}.crop": face}, atol=1)
        np.testing.assert_array_equal(ops.resize_shorter(tf.constant(face), 112), align.resize_shorter(face, 112))
        seen = (align.resize_shorter(face, 112) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        fixture.check({f"item.{name}.tensor": seen.transpose(2, 0, 1)}, atol=1 / 255 / 0.224)
    turned = ops.turn(tf.constant(gradient_picture(112, 112)), 17.3)
    fixture.check({"rotate.gradient": turned.numpy()}, atol=0.5)
