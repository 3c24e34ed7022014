"""GANmut as a system: class order, what is due when, what is refused, editing, and the reference's files."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs.ganmut import get_config
from fer_jax.core import schedules as schedule
from fer_jax.core.errors import UsageError
from fer_jax.core.protocols import ControlledSystem, System
from fer_jax.core.spec import DataSpec
from fer_jax.inference.variables import variables
from fer_jax.interop.torch_file import load_state_dict
from fer_jax.systems.ganmut import torch as interop
from fer_jax.systems.ganmut.system import class_order
from tests.typed import build, typed

FER2013 = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
NETWORKS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")


def config_of(variant="tiny", **fields):
    config = get_config(variant)
    config.data.update(image_size=16, batch_size=8)
    config.model.update(width=4, disc_width=4, blocks=1, stages=4)
    config.update(fields)
    return config


def system(variant="tiny", classes=FER2013, **fields):
    return build(config_of(variant, **fields), DataSpec(16, 3, 10, {"expression": classes}))


@pytest.fixture(scope="module", params=["tiny", "tiny_linear"])
def trained(request):
    made = system(request.param)
    return made, jax.jit(made.init)(jax.random.key(0, impl="unsafe_rbg"))


def test_classes_join_by_name():
    made = system()
    assert made.classes == NETWORKS and isinstance(made, System) and isinstance(made, ControlledSystem)
    np.testing.assert_array_equal(made.labels(jnp.arange(7)), [NETWORKS.index(name) for name in FER2013])
    assert class_order(("contempt", "puzzled", "Sad", "neutral")) == (3, 2, 0, 1)


def test_logits_come_in_the_data_sets_order(trained):
    made, state = trained
    batch = {"face": {"image": jax.random.uniform(jax.random.key(0), (2, 16, 16, 3)), "expression": jnp.arange(2)}}
    outputs = jax.jit(made.eval_step)(state, batch, jax.random.key(0))
    seen = jax.jit(made.judge)(state.nets["disc"].params, made.picture(batch["face"]["image"])).classes
    for i, name in enumerate(FER2013):
        np.testing.assert_allclose(outputs["logits"][:, i], seen[:, NETWORKS.index(name)], rtol=1e-4, atol=1e-6)
    figures = made.score({name: np.asarray(value) for name, value in outputs.items()})
    assert set(figures) == {"disc", "reconstruction"}


def test_pictures_are_turned_to_the_networks_and_back():
    made, image = system(), jax.random.uniform(jax.random.key(0), (2, 4, 4, 3))
    picture = made.picture(image)
    np.testing.assert_allclose(picture[..., 0], 2 * image[..., 2] - 1, atol=1e-6)  # blue first
    np.testing.assert_allclose(made.image(picture), image, atol=1e-6)


def test_the_generator_is_due_after_every_so_many():
    made = system(n_critic=3, warm_up=0)
    assert [made.phase(step).gen for step in range(6)] == [False, False, True] * 2


def test_the_warm_up_trains_the_discriminators_classes_alone():
    made = system(warm_up=2, n_critic=1)
    assert [tuple(made.phase(step)) for step in range(3)] == [(False, True), (False, True), (True, False)]
    state = jax.jit(made.init)(jax.random.key(0, impl="unsafe_rbg"))
    batch = {"face": {"image": jax.random.uniform(jax.random.key(1), (8, 16, 16, 3)), "expression": jnp.arange(8) % 7}}
    after, metrics = jax.jit(made.train_step, static_argnums=3)(state, batch, jax.random.key(2), made.phase(0))
    assert set(metrics) == {"disc/cls"} and int(after.step) == 1
    jax.tree.map(np.testing.assert_array_equal, state.nets["gen"], after.nets["gen"])
    old, new = (nets["disc"].params for nets in (state.nets, after.nets))
    assert np.any(old["main_0"]["kernel"] != new["main_0"]["kernel"])
    np.testing.assert_array_equal(old["conv1"]["kernel"], new["conv1"]["kernel"])  # of realism


def test_classes_are_looked_for_through_noise_and_realism_is_not():
    made = system(noise=0.5)
    params = jax.jit(made.init)(jax.random.key(0, impl="unsafe_rbg")).nets["disc"].params
    picture = jax.random.uniform(jax.random.key(1), (3, 16, 16, 3))
    clear, noisy = made.judge(params, picture), made.judge(params, picture, jax.random.key(2))
    np.testing.assert_array_equal(clear.realism, noisy.realism)
    assert np.abs(clear.classes - noisy.classes).max() > 1e-5


def test_the_non_saturating_loss_is_of_every_patch():
    made = system(adversarial="non_saturating", penalty="none", noise=0.0)
    state = jax.jit(made.init)(jax.random.key(0, impl="unsafe_rbg"))
    picture, fake = (jax.random.uniform(jax.random.key(i), (8, 16, 16, 3)) for i in (1, 2))
    params = state.nets["disc"].params
    labels, points, mix = jnp.arange(8) % 7, jnp.zeros((8, 2)), jnp.zeros((8, 1, 1, 1))
    _, terms = made.disc_loss(params, picture, labels, fake, points, mix)
    real, faked = (np.asarray(made.judge(params, x).realism) for x in (picture, fake))
    assert set(terms) == {"real", "fake", "cls", "points"}
    np.testing.assert_allclose(terms["real"], np.log1p(np.exp(-real)).mean(), rtol=1e-5)
    np.testing.assert_allclose(terms["fake"], np.log1p(np.exp(faked)).mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("variant", "fields", "message"),
    [
        ("tiny", {"data": {"batch_size": 6}}, "batch_size: 6 .* each of the 7 classes"),
        ("tiny_linear", {"data": {"batch_size": 5}}, "batch_size: 5 .* the first 5"),
        ("tiny", {"model": {"stages": 5}}, "image_size: 16 is no multiple of 32"),
        ("tiny", {"model": {"space": "spherical"}}, "model.space: 'spherical' is not one of gaussian, linear"),
        ("tiny", {"model": {"dimensions": 4}}, "model.dimensions: 4 is not one of 2, 3"),
        ("tiny", {"penalty": "r2"}, "penalty"),
        ("tiny", {"adversarial": "hinge"}, "adversarial: 'hinge' is not one of wasserstein_gp, non_saturating"),
        ("tiny_linear", {"cycle": "x"}, "cycle"),
        ("tiny", {"optim": {"decay": "x"}}, "optim.decay"),
        ("tiny", {"n_critic": 0}, "n_critic"),
    ],
)
def test_bad_fields_are_named(variant, fields, message):
    with pytest.raises(UsageError, match=message):
        system(variant, **fields)


def test_a_class_without_training_pictures_is_refused():
    spec = DataSpec(16, 3, 10, {"expression": FER2013}, absent={"expression": ("disgust",)})
    with pytest.raises(UsageError, match="no training picture shows disgust"):
        build(config_of(), spec)


def test_a_linear_space_needs_neutral_and_a_gaussian_one_does_not():
    with pytest.raises(UsageError, match="needs a class neutral; there are fear, anger"):
        system("tiny_linear", classes=("fear", "anger"))
    assert system(classes=("fear", "anger")).classes == ("fear", "anger")


def test_editing(trained):
    made, state = trained
    image = jax.random.uniform(jax.random.key(1), (7, 16, 16, 3))
    emotions = made.expressions(state)
    assert tuple(emotions) == NETWORKS and made.controls == ("x", "y")
    points = jnp.stack(list(emotions.values()))
    assert points.shape == (7, 2) and (np.abs(points) <= 1).all()
    np.testing.assert_array_equal(made.label(state, points), np.arange(7))
    edit, key = jax.jit(made.edit), jax.random.key(0)
    edited = edit(state, key, image, points)
    assert edited.shape == image.shape and (edited >= 0).all() and (edited <= 1).all()
    seen = jax.jit(made.condition_of)(state, jax.random.key(0), image)
    assert seen.shape == (7, 2) and (np.abs(seen) <= 1).all()
    columns = jax.jit(made.sample)(state, {"face": {"image": image[:2]}}, jax.random.key(0))
    assert len(columns) == len(made.columns) == 8
    np.testing.assert_allclose(columns[3][1], edit(state, key, image[jnp.full(7, 1)], points)[2], atol=1e-5)
    if made.rules.__class__.__name__ == "LinearRules":
        assert (emotions["neutral"] == 0).all()
        np.testing.assert_allclose(made.polar(points[1:])[:, 1], 0.9, rtol=1e-5)


@pytest.mark.parametrize(
    ("variant", "fields"),
    [
        ("tiny", {"penalty": "r1", "loss": {"disc_sources": 0.5}}),
        ("tiny_linear", {"cycle": "original"}),
        pytest.param("tiny_linear", {"model": {"dimensions": 3}}, marks=pytest.mark.slow),
        ("tiny", {"adversarial": "non_saturating", "penalty": "none", "noise": 0.2, "model": {"warp": True}}),
    ],
)
def test_options_train(variant, fields):
    made = system(variant, n_critic=1, warm_up=0, **fields)
    state = jax.jit(made.init)(jax.random.key(0, impl="unsafe_rbg"))
    batch = {"face": {"image": jax.random.uniform(jax.random.key(1), (8, 16, 16, 3)), "expression": jnp.arange(8) % 7}}
    after, metrics = jax.jit(made.train_step, static_argnums=3)(state, batch, jax.random.key(2), made.phase(0))
    assert all(np.isfinite(value) for value in metrics.values())
    before, now = state.nets["gen"].params["space"], after.nets["gen"].params["space"]
    moved = [np.any(a != b) for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(now), strict=True)]
    assert any(moved)
    assert ("disc/sources" in metrics) == ("loss" in fields)
    if "loss" in fields:
        weights = {"real": 1, "fake": 1, "cls": 2, "points": 1, "penalty": 10, "sources": 0.5}
        expected = sum(weight * metrics[f"disc/{name}"] for name, weight in weights.items())
        np.testing.assert_allclose(metrics["disc/total"], expected, rtol=1e-5)


def test_decay_as_meant_and_as_coded():
    """Of the published two million steps, the last 100,000."""
    meant, coded = (schedule.decay_share(kind, 2_000_000, 100_000) for kind in ("linear", "as_coded"))
    assert float(meant(1_899_999)) == 1 and float(meant(1_950_000)) == pytest.approx(0.5)
    assert float(meant(1_999_999)) == pytest.approx(1e-5)
    assert float(coded(1_900_999)) == 1 and float(coded(1_901_000)) == pytest.approx(1 - 1e-5)
    assert float(coded(1_999_999)) == pytest.approx(0.999, abs=2e-5)
    every_fifth = schedule.decay_share("linear", 2_000_000, 100_000, every=5)
    assert float(every_fifth(389_999)) == pytest.approx(float(meant(1_949_999)))


def test_the_rate_falls_to_nothing():
    config = config_of()
    config.run.steps = 4
    config.optim.decay_steps = 4
    tx = build(config, DataSpec(16, 3, 10, {"expression": FER2013})).tx["disc"]
    params, sizes = jnp.ones(()), []
    state = tx.init(params)
    for _ in range(5):
        updates, state = tx.update(jnp.ones(()), state, params)
        sizes.append(-float(updates))
        params = optax.apply_updates(params, updates)
    np.testing.assert_allclose(sizes, config.optim.lr * np.array([1, 0.75, 0.5, 0.25, 0]), rtol=1e-3, atol=1e-9)


def test_files_go_out_and_in(trained, tmp_path):
    made, state = trained
    paths = interop.write(tmp_path, variables(state))
    assert [path.name for path in paths] == ["1-G.ckpt", "1-D.ckpt"]
    linear = made.gen.space_kind == "linear"
    names = set(load_state_dict(paths[0]))
    assert ("axes.bias" in names) == linear and ("mu.weight" in names) != linear
    assert {"main.1.running_mean", "main.9.main.0.weight"} <= names
    templates = jax.eval_shape(lambda: variables(state))
    config = config_of("tiny_linear" if linear else "tiny")
    found = interop.read(tmp_path, typed(config), templates)
    for net, tree in variables(state).items():
        for (path, old), new in zip(
            jax.tree_util.tree_leaves_with_path(tree), jax.tree.leaves(found[net]), strict=True
        ):
            np.testing.assert_array_equal(old, new, err_msg=str(path))
    paths[1].unlink()
    assert set(interop.read(tmp_path, typed(config), templates)) == {"gen"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 8}, r"give --config\.model\.width=4 \(it is 8\)"),
        ({"blocks": 2}, r"model\.blocks=1"),
        ({"stages": 3}, r"model\.stages=4"),
        ({"dimensions": 3}, r"model\.dimensions=2"),
    ],
)
def test_weights_of_another_configuration(trained, tmp_path, fields, message):
    made, state = trained
    interop.write(tmp_path, variables(state))
    config = config_of("tiny_linear" if made.gen.space_kind == "linear" else "tiny")
    config.model.update(fields)
    with pytest.raises(UsageError, match=message):
        interop.read(tmp_path, typed(config), jax.eval_shape(lambda: variables(state)))


def test_a_folder_without_files(tmp_path):
    with pytest.raises(UsageError, match=r"1000000-G\.ckpt"):
        interop.read(tmp_path, typed(config_of()), {})
