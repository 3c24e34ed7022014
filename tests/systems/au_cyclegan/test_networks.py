"""Networks of the face editor: sizes, counts, options that change nothing at first, and the faulty early critics."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.au_cyclegan import get_config
from fer_jax.core.errors import UsageError
from fer_jax.nn.attention import SelfAttention
from fer_jax.systems.au_cyclegan.families import networks
from fer_jax.systems.au_cyclegan.legacy.early import EarlyCritic, EarlyGenerator
from fer_jax.systems.au_cyclegan.legacy.keras import KerasCritic, KerasGenerator, PictureNorm
from fer_jax.systems.au_cyclegan.networks import Critic, Generator, Unit, drawn, join
from tests.typed import typed

SMALL = {"kernels": (6, 5, 6), "strides": (3, 2, 2)}  # 48 pixels -> a map of one
FOURS = {"kernels": (4, 4, 4), "strides": (2, 2, 2)}
BFLOAT16 = jnp.dtype(jnp.bfloat16)


def start(net, *args, **train):
    """Variables, in one program."""
    return jax.jit(lambda *args: net.init(jax.random.key(1), *args, **train))(*args)


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def shapes(experiment, size=112, **fields):
    """Variables of an experiment's two networks, and what they return, as shapes."""
    config = get_config(experiment)
    config.model.update(fields)
    gen, critic = networks(typed(config).model, size, 3, 17)
    x, aus, key = jnp.zeros((2, size, size, 3)), jnp.zeros((2, 17)), jax.random.key(0)
    picture, gen_variables = jax.eval_shape(lambda: gen.init_with_output(key, x, aus, train=False))
    judgement, critic_variables = jax.eval_shape(lambda: critic.init_with_output(key, x))
    return picture, gen_variables, judgement, critic_variables


@pytest.mark.parametrize(
    ("experiment", "gen", "critic"),
    [
        *((name, 14_434_755, 6_735_576) for name in ("e1", "e2", "e3", "e4")),
        ("e5", 13_855_369, 6_735_570),
        ("e6", 6_311_049, 6_735_570),
        ("e7", 43_418_243, 30_043_026),
        ("e8", 43_557_507, 30_043_026),
        ("e9", 43_557_507, 30_043_026),
    ],
)
def test_sizes_and_parameter_counts_are_the_references(experiment, gen, critic):
    picture, gen_variables, judgement, critic_variables = shapes(experiment)
    assert count(gen_variables["params"]) == gen and count(critic_variables["params"]) == critic
    assert picture.shape == (2, 112, 112, 3) and picture.dtype == jnp.float32
    assert judgement.adversarial.shape == (2,) and judgement.aus.shape == (2, 17)


def test_the_keras_halves_have_the_references_counts():
    params = shapes("e2")[1]["params"]
    encoder = {name: tree for name, tree in params.items() if name.startswith("enc_")}
    assert count(encoder) == 6_201_032 and count(params) - count(encoder) == 8_233_723


@pytest.mark.parametrize(
    ("experiment", "size", "fields"),
    [
        ("e8", 48, {"layers": 4, "width": 8}),
        ("e8", 45, {"layers": 3, "width": 8, "inject_layers": 9, "shortcut_layers": 9}),  # odd; both are capped
        ("e8", 16, {"layers": 1, "width": 8}),
        ("e8", 48, {"layers": 3, "width": 8, "attention": 2, "mask": True}),
        ("e5", 48, {"width": 8, **SMALL, **{f"critic_{k}": v for k, v in SMALL.items()}}),
        ("e6", 64, {"width": 8, **{f"{who}{k}": v for who in ("", "critic_") for k, v in FOURS.items()}}),
        ("e1", 48, {"width": 8, **SMALL, **{f"critic_{k}": v for k, v in SMALL.items()}}),
    ],
)  # fmt: skip
def test_other_pictures_and_depths(experiment, size, fields):
    picture, _, judgement, _ = shapes(experiment, size, **fields)
    assert picture.shape == (2, size, size, 3) and judgement.aus.shape == (2, 17)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"family": "late"}, r"model\.family: 'late' is not one of general, early, keras"),
        ({"norm": "switchnorm"}, r"model\.norm"),
        ({"critic_norm": "batchnorm"}, r"model\.critic_norm"),
        ({"activation": "gelu"}, r"model\.activation"),
        ({"layers": 7}, "too many or too large for pictures of 112 pixels"),
        ({"family": "early", "critic_kernels": (9, 9, 9, 9)}, r"critic_kernels: too many or too large"),
        ({"family": "keras", "kernels": (6, 6)}, "of one length"),
        ({"family": "early", "mask": True}, "family=general"),
        ({"attention": 5}, "must be 1 to 4"),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(UsageError, match=message):
        shapes("e8", **fields)


def test_a_critic_that_must_be_constant_is_warned_of(caplog):
    shapes("e5")
    shapes("e8", 48)
    assert len(caplog.records) == 2 and "fixed=True mends it" in caplog.text and "take fewer layers" in caplog.text
    caplog.clear()
    shapes("e5", fixed=True)
    shapes("e8")
    assert not caplog.records


def judged(critic, pictures):
    return jax.jit(lambda x: critic.init_with_output(jax.random.key(1), x)[0])(pictures)


def test_only_the_fixed_early_critic_depends_on_the_picture():
    pictures = jax.random.uniform(jax.random.key(0), (3, 48, 48, 3))
    published, fixed = (
        judged(EarlyCritic(width=4, hidden=8, fixed=fixed, **SMALL), pictures) for fixed in (False, True)
    )
    for values in published:
        np.testing.assert_allclose(values, np.broadcast_to(values[:1], values.shape), atol=1e-6)
    for values in fixed:
        assert np.abs(values - values[:1])[1:].max() > 1e-3


def test_only_the_fixed_early_bottleneck_depends_on_the_picture():
    pictures = jax.random.uniform(jax.random.key(0), (2, 48, 48, 3))
    for fixed in (False, True):
        gen = EarlyGenerator(width=4, fixed=fixed, **SMALL)
        variables = start(gen, pictures, jnp.zeros((2, 17)), train=True)
        bottleneck = jax.jit(lambda v, gen=gen: gen.apply(v, pictures, train=True, method="encode"))(variables)[-1]
        assert (np.abs(bottleneck[0] - bottleneck[1]).max() > 1e-3) == fixed
    # e6's is no single pixel, so that its norm stays
    kept = EarlyGenerator(width=4, kernels=(4, 4), strides=(2, 2), fixed=True)
    shape = jax.eval_shape(lambda: kept.init(jax.random.key(1), pictures, jnp.zeros((2, 17)), train=True))
    assert "norm" in shape["params"]["enc_1"]


def test_the_keras_critic_does_not_collapse():
    pictures = jax.random.uniform(jax.random.key(0), (2, 48, 48, 3))
    adversarial, aus = judged(KerasCritic(width=4, hidden=8, **SMALL), pictures)
    assert adversarial[0] != adversarial[1] and np.any(aus[0] != aus[1])


def test_attention_starts_as_the_identity_and_learns():
    x = jax.random.normal(jax.random.key(0), (2, 5, 4, 16))
    net = SelfAttention()
    variables = net.init(jax.random.key(1), x)
    np.testing.assert_array_equal(net.apply(variables, x), x)
    grads = jax.grad(lambda v: jnp.square(net.apply(v, x)).sum())(variables)["params"]
    assert grads["gamma"] != 0
    changed = {"params": variables["params"] | {"gamma": jnp.ones(())}}
    assert np.any(net.apply(changed, x) != x)


def test_attention_is_a_weighted_mean_over_positions():
    """Of a constant map every position attends to the same."""
    x = jnp.broadcast_to(jax.random.normal(jax.random.key(0), (1, 1, 1, 8)), (1, 3, 3, 8))
    net = SelfAttention(reduction=2)
    params = net.init(jax.random.key(1), x)["params"] | {"gamma": jnp.ones(())}
    value = x @ params["value"]["kernel"][0, 0] @ params["out"]["kernel"][0, 0]
    np.testing.assert_allclose(net.apply({"params": params}, x), x + value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("attention", [1, 2])
def test_with_attention_a_generator_and_a_critic_start_as_without(attention):
    x, aus = jax.random.uniform(jax.random.key(0), (2, 16, 16, 3)), jnp.ones((2, 17))
    gen, critic = Generator(width=4, layers=3), Critic(width=4, layers=3, hidden=8)
    for net, args, train in ((gen, (x, aus), {"train": False}), (critic, (x,), {})):
        attentive = dataclasses.replace(net, attention=attention)
        variables = dict(start(attentive, *args, **train))
        with_it = attentive.apply(variables, *args, **train)
        assert "attend" in variables["params"]
        variables["params"] = {name: tree for name, tree in variables["params"].items() if name != "attend"}
        jax.tree.map(np.testing.assert_array_equal, with_it, net.apply(variables, *args, **train))


def test_the_mask_keeps_the_picture_where_it_is_one():
    picture = jax.random.uniform(jax.random.key(0), (1, 4, 4, 3))
    colours = jax.random.normal(jax.random.key(1), (1, 4, 4, 3))
    for level, expected in ((50.0, picture), (-50.0, jnp.tanh(colours)), (0.0, (picture + jnp.tanh(colours)) / 2)):
        x = jnp.concatenate([colours, jnp.full((1, 4, 4, 1), level)], -1)
        np.testing.assert_allclose(drawn(x, picture, mask=True), expected, atol=1e-6)
    np.testing.assert_array_equal(drawn(colours, picture, mask=False), jnp.tanh(colours))


def test_the_head_that_moves_has_the_place_of_the_last_layer():
    x, aus = jax.random.uniform(jax.random.key(0), (2, 16, 16, 3)), jnp.zeros((2, 17))
    gen = Generator(width=4, layers=2, warp=True, inject_layers=2)
    variables = dict(start(gen, x, aus, train=False))
    assert {"head", "dec_0"} <= set(variables["params"]) and "dec_1" not in variables["params"]
    assert np.abs(gen.apply(variables, x, aus, train=False) - x).mean() < 0.4
    variables["params"] = jax.tree.map(lambda leaf: leaf + 0.05, variables["params"])
    one, other = (gen.apply(variables, x, units, train=False) for units in (aus, aus + 1))
    assert np.abs(one - other).max() > 1e-3


def test_action_units_are_tiled_after_the_map():
    joined = join(jnp.zeros((2, 3, 3, 4)), jnp.ones((2, 3, 3, 2)), jnp.arange(34.0).reshape(2, 17))
    assert joined.shape == (2, 3, 3, 23)
    np.testing.assert_array_equal(joined[1, 2, 0], [0] * 4 + [1] * 2 + list(range(17, 34)))


def test_training_and_evaluation_differ_by_the_statistics_alone():
    x, aus = jax.random.uniform(jax.random.key(0), (4, 16, 16, 3)), jnp.zeros((4, 17))
    gen = Generator(width=4, layers=2)
    variables = start(gen, x, aus, train=False)
    moved = gen.apply(variables, x, aus, train=True, mutable="batch_stats")[1]["batch_stats"]
    assert jax.tree.structure(moved) == jax.tree.structure(variables["batch_stats"])
    assert all(
        np.any(a != b) for a, b in zip(jax.tree.leaves(moved), jax.tree.leaves(variables["batch_stats"]), strict=True)
    )
    plain = Generator(width=4, layers=2, norm="none")
    assert set(start(plain, x, aus, train=False)) == {"params"}


def test_picture_norm_is_over_all_of_a_picture():
    x = jnp.asarray(np.random.default_rng(0).normal(3, 2, (2, 4, 4, 5)), jnp.float32)
    net = PictureNorm()
    variables = net.init(jax.random.key(0), x)
    y = np.asarray(net.apply(variables, x))
    assert count(variables) == 2
    expected = (x[1] - x[1].mean()) / (x[1].std() + 1e-3)
    np.testing.assert_allclose(y[1], expected, rtol=1e-4, atol=1e-5)
    constant = jax.grad(lambda x: net.apply(variables, x).sum())(jnp.ones((1, 2, 2, 3)))
    assert np.isfinite(constant).all()


def test_half_precision_pictures_are_float32():
    x, aus = jax.random.uniform(jax.random.key(0), (2, 16, 16, 3)), jnp.ones((2, 17))
    for gen in (
        Generator(width=4, layers=2, dtype=BFLOAT16),
        KerasGenerator(width=4, kernels=(6,), strides=(3,), dtype=BFLOAT16),
    ):
        picture = gen.init_with_output(jax.random.key(0), x[:, :15, :15], aus, train=False)[0]
        assert picture.dtype == jnp.float32
    judgement = judged(Critic(width=4, layers=2, hidden=8, dtype=BFLOAT16), x)
    assert judgement.adversarial.dtype == judgement.aus.dtype == jnp.float32


def test_xavier_is_the_references_for_both_kinds_of_convolution():
    """Uniform in +-sqrt(6 / (fan_in + fan_out)), zero biases."""
    x = jnp.zeros((1, 8, 8, 8))
    for size in (None, 16):
        unit = Unit(24, norm="instancenorm", bias=True, scheme="xavier_uniform")
        params = unit.init(jax.random.key(0), x, size=size)["params"]["conv"]
        bound = np.sqrt(6 / (16 * (8 + 24)))
        (kernel,) = (leaf for name, leaf in params.items() if name != "bias")
        assert bound * 0.98 < np.abs(kernel).max() <= bound and not params["bias"].any()
