"""DCGAN as a system: its options, samples, and small classes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.dcgan import get_config
from fer_jax.core.errors import UsageError
from fer_jax.core.protocols import System
from fer_jax.core.spec import DataSpec
from tests.micro import micro
from tests.typed import build, open_data

CLASSES = ("neutral", "fear", "anger")


def system(variant="tiny", classes=CLASSES, **fields):
    config = get_config(variant)
    config.data.image_size = 16
    config.model.update(width=4, latent=6, embedding=3)
    config.update(fields)
    return build(config, DataSpec(16, 1, 10, {"expression": classes} if classes else {}))


def start(made):
    return jax.jit(made.init)(jax.random.key(0, impl="unsafe_rbg"))


def batch_of(count=4):
    image = jax.random.uniform(jax.random.key(1), (count, 16, 16, 1))
    return {"face": {"image": image, "expression": jnp.arange(count) % 3}}


@pytest.mark.parametrize(
    ("variant", "fields"),
    [
        ("tiny", {}),
        pytest.param("tiny_conditional", {}, marks=pytest.mark.slow),  # as the next but for the norm
        ("tiny_conditional", {"model": {"norm": "spectral"}}),
    ],
)
def test_one_step_and_what_can_be_done_with_it(variant, fields):
    made = system(variant, **fields)
    assert isinstance(made, System)
    state = start(made)
    after, metrics = jax.jit(made.train_step, static_argnums=3)(state, batch_of(), jax.random.key(2), "train")
    assert all(np.isfinite(value) for value in metrics.values()) and int(after.step) == 1
    assert set(metrics) == {
        "disc/real", "disc/fake", "disc/total", "gen/loss", "disc/on_real", "disc/on_fake", "gen/on_fake",
    }  # fmt: skip
    for name in ("gen", "disc"):
        changed = jax.tree.map(lambda a, b: np.any(a != b), state.nets[name].params, after.nets[name].params)
        assert all(jax.tree.leaves(changed)), name
        moved = jax.tree.map(lambda a, b: np.any(a != b), state.nets[name].stats, after.nets[name].stats)
        assert any(jax.tree.leaves(moved)), name
    outputs = jax.jit(made.eval_step)(after, batch_of(), jax.random.key(0))
    figures = made.score({name: np.asarray(value) for name, value in outputs.items()})
    assert 0 < figures["disc"]["on_real"] < 1 and figures["disc"]["step"] == 1
    pictures = jax.jit(made.generate, static_argnums=2)(after, jax.random.key(3), 5)
    assert pictures.shape == (5, 16, 16, 1) and (pictures >= 0).all() and (pictures <= 1).all()


def test_the_sheet_is_of_the_same_vectors_each_time():
    made = system()
    state, sample = start(made), jax.jit(made.sample)
    columns = sample(state, batch_of(), jax.random.key(7))
    assert len(columns) == len(made.columns) == 8 and columns[0].shape == (4, 16, 16, 1)
    other = {"face": {"image": jnp.zeros((4, 16, 16, 1))}}
    np.testing.assert_array_equal(columns, sample(state, other, jax.random.key(7)))
    assert np.any(columns[0][0] != columns[1][0]) and np.any(columns[0][0] != columns[0][1])


def test_by_class_a_row_is_one_vector():
    made = system("tiny_conditional")
    state = start(made)
    columns = jax.jit(made.sample)(state, batch_of(), jax.random.key(7))
    assert made.columns == made.classes == CLASSES
    z = jax.random.normal(jax.random.key(7), (4, made.latent))
    for label, column in enumerate(columns):
        drawn = jax.jit(made.draw_pictures)(state, z, jnp.full(4, label))
        np.testing.assert_allclose(column, drawn, atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "fields", "message"),
    [
        ("tiny", {"data": {"image_size": 40}}, None),
        ("tiny", {"model": {"norm": "layer"}}, "model.norm: 'layer' is not one of batch, spectral"),
        ("tiny", {"augment": ("color", "spin")}, r"augment\[1\]: 'spin' is not one of color"),
        ("tiny_conditional", {"classes": ()}, "model.conditional: the data set has no expressions"),
    ],
)
def test_bad_fields_are_named(variant, fields, message):
    if message is None:
        with pytest.raises(UsageError, match="image_size: 40 is no multiple of 16"):
            build(get_config(variant), DataSpec(40, 1, 1, {}))
        return
    with pytest.raises(UsageError, match=message):
        system(variant, **fields)


def restricted(data_dir, only):
    config = micro("dcgan", data_dir)
    with config.unlocked():
        config.data.streams.face.only = only
    return open_data(config)


def test_one_expression_alone(data_dir):
    """By name, with synonyms; every split; fewer pictures than a batch has are gone through again."""
    whole, alone = restricted(data_dir, ""), restricted(data_dir, "happy")
    names = whole.spec.classes["expression"]
    assert alone.spec.classes == whole.spec.classes
    for split, table in alone.tables["face"].items():
        own = whole.tables["face"][split].labels["expression"]
        assert set(table.labels["expression"]) == {names.index("happiness")}
        assert len(table) == (own == names.index("happiness")).sum() > 0
    assert len(alone.tables["face"]["train"]) < 8
    batch = next(alone.train(0, 1))
    assert batch["face"]["image"].shape == (8, 16, 16, 1)
    assert set(batch["face"]["expression"]) == {names.index("happiness")}


def test_an_expression_that_there_is_not(data_dir):
    with pytest.raises(UsageError, match=r"streams\.face\.only: 'joyless' is no class of rendered_faces, .* neutral, "):
        restricted(data_dir, "joyless")
