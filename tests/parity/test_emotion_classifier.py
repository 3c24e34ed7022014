"""The FER2013 classifiers' transforms, networks and BYOL step against PyTorch's numbers (spec, section 11)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from fer_jax.core import optimisers as optim
from fer_jax.core.config import ViewConfig
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.data import augment
from fer_jax.data.views import evaluation_view
from fer_jax.interop.backbones import torch_names
from fer_jax.interop.torch_names import export_tree, import_tree
from fer_jax.losses.classification import cross_entropy
from fer_jax.systems.byol import torch as byol_files
from fer_jax.systems.byol.networks import Byol
from fer_jax.systems.byol.system import ByolSystem, _copied
from fer_jax.systems.classifier.networks import EmotionNet
from tests.parity.recipe import check_table

SYSTEM = "emotion_classifier"


def colour(grey):
    return np.repeat(grey.astype(np.uint8)[..., None], 3, -1)


def ours(grey):
    """Our evaluation transform of (N, 48, 48)."""
    view = evaluation_view(ViewConfig(augment="torchvision_eval"), image_size=224, channels=3)
    return np.stack([view(one) for one in colour(grey)])


def reference_input(grey):
    """The reference's evaluation transform of (N, 48, 48), bit for bit: what its networks were given.

    PyTorch's antialiased bilinear resize from 48 to 256 pixels in float32, first along columns, then rows, each
    product added without rounding in between (a fused multiply-add); of that the middle 224 pixels. The last bit
    matters: it turns some ReLU on or off, by which gradient norms change by up to 4e-5 of themselves.
    """
    side, load, first = grey.shape[1], 256, (256 - 224) // 2
    scale, half, one = np.float32(side) / np.float32(load), np.float32(0.5), np.float32(1)
    centre = scale * (np.arange(load, dtype=np.float32) + half)
    low = np.maximum((centre - one + half).astype(int), 0)
    high = np.minimum((centre + one + half).astype(int), side)
    places = low[:, None] + np.arange(3)
    weights = np.maximum(0, one - np.abs(places.astype(np.float32) - centre[:, None] + half))
    weights = np.where(places < high[:, None], weights, np.float32(0))
    weights /= weights.sum(1, keepdims=True)

    def along_columns(x):
        total = np.zeros((*x.shape[:-1], load), np.float32)
        for place, weight in zip(places.T, weights.T, strict=True):
            exact = x[..., np.minimum(place, side - 1)].astype(np.float64) * weight.astype(np.float64)
            total = (total + exact).astype(np.float32)
        return total

    x = along_columns(grey.astype(np.float32) / np.float32(255))
    x = along_columns(x.swapaxes(1, 2)).swapaxes(1, 2)[:, first : first + 224, first : first + 224]
    return np.repeat(x[..., None], 3, -1)


def test_transforms(parity_fixture):
    fixture = parity_fixture(SYSTEM, "transforms")
    grey = fixture.inputs()["gray"]
    first = tf.cast(colour(grey)[0], tf.float32) / 255
    crop = augment.crop_resized(first, 7, 11, 29, 23, 224)
    flipped = crop[:, ::-1]
    sharp = augment.sharpen(flipped, 2.0)
    outputs = {
        "crop": crop,
        "crop_flip": flipped,
        "crop_flip_sharp2": sharp,
        "crop_flip_sharp2_bright1.25": augment.brighten(sharp, 1.25),
        "crop_flip_bright0.8": augment.brighten(flipped, 0.8),
    }
    outputs = {name: np.asarray(value).transpose(2, 0, 1) for name, value in outputs.items()}
    fixture.check_outputs(outputs | {"eval_input": ours(grey).transpose(0, 3, 1, 2)}, atol=1e-5)
    exact, name = reference_input(grey).transpose(0, 3, 1, 2), "eval_input"
    stride = fixture.manifest["expected"]["outputs"][name].get("stride", 1)
    np.testing.assert_array_equal(exact.ravel()[::stride], fixture.expected[name].ravel())


def network(fixture, dtype):
    """(network, its variables, the names of its tensors) with the fixture's weights."""
    name = fixture.manifest["constructor"]["name"]
    net = EmotionNet(fixture.manifest["constructor"]["num_classes"], name)
    template = jax.eval_shape(lambda: net.init(jax.random.key(0), jnp.zeros((1, 224, 224, 3)), train=False))
    names = torch_names(name)
    tree = import_tree(dict(template), fixture.tensors(), names, name)
    return net, jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree), names


def norms(tree, names):
    return {
        name: float(np.linalg.norm(np.asarray(value, np.float64))) for name, value in export_tree(tree, names).items()
    }


@pytest.mark.parametrize("name", ["resnet18", pytest.param("densenet201", marks=pytest.mark.slow)])
def test_logits_and_statistics(parity_fixture, name):
    fixture = parity_fixture(SYSTEM, name)
    net, variables, names = network(fixture, np.float32)
    x = jnp.asarray(reference_input(fixture.inputs()["gray"]))
    said = jax.jit(lambda v: net.apply(v, x, train=False))(variables)
    trained, updated = jax.jit(lambda v: net.apply(v, x, train=True, mutable="batch_stats"))(variables)
    after = export_tree(dict(updated), names)
    outputs = {f"buffer_after_one_train_pass:{tensor}": value for tensor, value in after.items()}
    for suffix in ("", "_float64"):
        outputs |= {f"eval_logits{suffix}": said.logits, f"train_logits{suffix}": trained.logits}
    fixture.check_outputs(outputs, atol=2e-4 if name == "densenet201" else 1e-4)


@pytest.mark.parametrize(
    ("name", "dtype", "loss", "norm"),
    [
        ("resnet18", np.float32, 1e-4, 2e-3),
        pytest.param("resnet18", np.float64, 1e-8, 1e-6, marks=pytest.mark.slow),
        pytest.param("densenet201", np.float64, 1e-8, 1e-6, marks=pytest.mark.slow),
    ],
)
def test_losses_and_gradients(parity_fixture, name, dtype, loss, norm):
    fixture = parity_fixture(SYSTEM, name)
    given = fixture.inputs()
    with jax.enable_x64(dtype == np.float64):
        net, variables, names = network(fixture, dtype)
        x, labels = jnp.asarray(reference_input(given["gray"]), dtype), jnp.asarray(given["label"])

        def of(params, train):
            rest = {"batch_stats": variables["batch_stats"]}
            said = net.apply({"params": params, **rest}, x, train=train, mutable="batch_stats")[0]
            return cross_entropy(said.logits, labels)

        for mode in ("train", "eval"):
            value, grads = jax.jit(jax.value_and_grad(of), static_argnums=1)(variables["params"], mode == "train")
            check_table(
                {f"cross_entropy_{mode}": float(value)},
                {f"cross_entropy_{mode}": fixture.manifest["losses"][f"cross_entropy_{mode}"]},
                relative=loss,
            )
            table = norms({"params": grads}, names)
            check_table(table, fixture.manifest["grad_norms"][mode], relative=norm, of_largest=norm / 10)


# In float32 batch norm over the few rows of the heads amplifies rounding: the reference's own float32 predictions are
# 3e-5 to 6e-5 off its float64 ones, over seeds and batches of 3 to 6.
@pytest.mark.parametrize(
    ("dtype", "loss", "norm", "atol"),
    [(np.float32, 1e-3, 2e-3, 5e-4), (np.float64, 1e-8, 1e-6, 1e-5)],
)
@pytest.mark.slow
def test_byol(parity_fixture, dtype, loss, norm, atol):
    """The copy moves, both see both views, and the loss reaches the online network."""
    fixture = parity_fixture(SYSTEM, "byol")
    given, names = fixture.inputs(), byol_files.torch_names()
    tensors = fixture.tensors()
    copy_tensors = {name.replace("_momentum", "", 1): value for name, value in tensors.items() if "_momentum" in name}
    with jax.enable_x64(dtype == np.float64):
        net = Byol()
        template = jax.eval_shape(lambda: net.init(jax.random.key(0), jnp.zeros((1, 224, 224, 3)), train=False))
        cast = lambda tree: jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)  # noqa: E731
        online = cast(import_tree(dict(template), {n: v for n, v in tensors.items() if "_momentum" not in n}, names))
        copy_template = {name: _copied(tree) for name, tree in template.items()}
        copy = cast(import_tree(copy_template, copy_tensors, names))
        system = ByolSystem(net, optim.adam(2e-4), DataSpec(224, 3, 1, {}), fixture.manifest["ema_rate"])
        views = tuple(jnp.asarray(reference_input(given[name]), dtype) for name in ("x0", "x1"))

        @jax.jit
        def step(params, stats, copy):
            moved = jax.tree.map(lambda old, new: 0.99 * old + 0.01 * new, copy["params"], _copied(params))
            targets, copy_stats = system.targets({**copy, "params": moved}, views)
            out = jax.value_and_grad(system.loss, has_aux=True)(params, stats, views, targets)
            return out, moved, targets, copy_stats

        stats = {"batch_stats": online["batch_stats"]}
        ((value, (predictions, after)), grads), moved, targets, copy_stats = step(online["params"], stats, copy)
        state = TrainState.create(net=NetState.create(online["params"], system.tx, stats=stats)).replace(
            extra={"momentum": copy}
        )
        batch = {"face": {"image": views[0]}, "view": {"image": views[1]}}
        stepped, metrics = jax.jit(system.train_step, static_argnums=3)(state, batch, jax.random.key(0), "train")
    check_table({"loss": float(value)}, {"loss": fixture.manifest["losses"]["loss"]}, relative=loss)
    np.testing.assert_allclose(metrics["loss"], value, rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), stepped.extra["momentum"]["params"], moved
    )
    wanted = {name: value for name, value in fixture.manifest["grad_norms"].items() if value is not None}
    # A gradient that is zero but for rounding, since batch norm follows.
    zero = wanted.pop("projection_head.layers.3.bias")
    table = norms({"params": grads}, names)
    assert abs(table["projection_head.layers.3.bias"] - zero) < norm * max(wanted.values())
    check_table(table, wanted, relative=norm, of_largest=norm / 10)
    outputs = {**dict(zip(("p0", "p1"), predictions, strict=True)), **dict(zip(("z0", "z1"), targets, strict=True))}
    renamed = {byol_files._copied(name): value for name, value in export_tree({"params": moved}, names).items()}
    outputs |= {f"ema:{name}": value for name, value in renamed.items()}
    outputs |= {f"buffer_after_step:{name}": value for name, value in export_tree(dict(after), names).items()}
    copied = export_tree({"batch_stats": copy_stats}, names)
    outputs |= {f"buffer_after_step:{byol_files._copied(name)}": value for name, value in copied.items()}
    fixture.check_outputs(outputs, atol=atol)
