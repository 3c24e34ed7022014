import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import classifier as configs
from fer_jax.core.errors import UsageError
from fer_jax.core.spec import DataSpec
from tests.typed import build

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
SPEC = DataSpec(16, 1, 5, {"expression": CLASSES})


def config(**changes):
    tree = configs.get_config("tiny")
    tree.model.update(depths=(1, 1), width=4)
    tree.run.update(epochs=2)
    tree.update_from_flattened_dict(changes)
    return tree


def batch(count=6, seed=0):
    rng = np.random.default_rng(seed)
    votes = rng.integers(0, 5, (count, 10))
    votes[0] = 0  # a row that FER+ left out
    face = {"image": rng.uniform(size=(count, 16, 16, 1)).astype(np.float32), "ferplus": votes}
    return {"face": {name: jnp.asarray(v) for name, v in face.items()} | {"expression": jnp.arange(count) % 7}}


def stepped(system, steps=1):
    state = jax.jit(system.init)(jax.random.key(0))
    train = jax.jit(lambda state: system.train_step(state, batch(), jax.random.key(1), "train"))
    for _ in range(steps):
        before, (state, metrics) = state, train(state)
    return before, state, metrics


def test_it_learns_a_handful_by_heart():
    system = build(config(**{"ema_decay": None, "run.epochs": 100, "optim.lr": 0.05}), SPEC)
    _, state, metrics = stepped(system, 60)
    assert metrics["accuracy"] == 1 and metrics["loss/expression"] < 0.5
    assert jax.tree.structure(state.nets["net"].averaged) == jax.tree.structure(state.nets["net"].params)


def test_feature_extraction_moves_the_head_and_the_statistics_alone():
    before, after, _ = stepped(build(config(fine_tune=False), SPEC))
    moved = jax.tree.map(lambda a, b: bool(np.any(np.asarray(a) != np.asarray(b))), *(
        state.nets["net"].params for state in (before, after)
    ))  # fmt: skip
    assert not any(jax.tree.leaves(moved["body"])) and all(jax.tree.leaves(moved["head"]))
    stats = [jax.tree.leaves(state.nets["net"].stats) for state in (before, after)]
    assert any(np.any(np.asarray(a) != np.asarray(b)) for a, b in zip(*stats, strict=True))


def test_votes_have_a_head_and_a_loss_of_their_own():
    system = build(config(**{"loss.votes": 0.5}), SPEC)
    _, _, metrics = stepped(system)
    assert set(metrics) == {"loss/expression", "loss/votes", "accuracy"} and metrics["loss/votes"] > 1
    state = jax.jit(system.init)(jax.random.key(0))
    net = state.nets["net"]
    total, (terms, _, _) = system.loss(net.params, net.stats, batch()["face"])
    np.testing.assert_allclose(total, terms["expression"] + 0.5 * terms["votes"], rtol=1e-6)


def test_parts_of_a_picture_are_averaged():
    """A mirror image gets the prediction of the picture when both are averaged."""
    system = build(config(tta="flip"), SPEC)
    state = jax.jit(system.init)(jax.random.key(0))
    image = batch()["face"]["image"]
    one, other = (system.predict(state, x).logits for x in (image, image[:, :, ::-1]))
    np.testing.assert_allclose(one, other, atol=1e-5)
    single = build(config(), SPEC)
    alone = [single.predict(state, x).logits for x in (image, image[:, :, ::-1])]
    assert np.abs(alone[0] - alone[1]).max() > 1e-4
    np.testing.assert_allclose(one, sum(alone) / 2, atol=1e-5)


def test_figures():
    system = build(config(), SPEC)
    logits = np.eye(7)[[0, 1, 1, 3]] + 0.5 * np.eye(7)[[6, 6, 2, 6]]
    found = system.score({"logits": logits, "expression": np.array([0, 1, 2, 4])})["expression"]
    assert found["accuracy"] == 0.5 and found["top2"] == 0.75 and found["normalised_accuracy"] == 0.5


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model.backbone": "vgg"}, "config.model.backbone: 'vgg' is not one of resnet18"),
        ({"model.head": "two"}, "config.model.head: 'two' is not one of linear, mlp"),
        ({"norm": "mean"}, "config.norm: 'mean' is not one of none"),
        ({"tta": "five"}, "config.tta: 'five' is not one of single"),
        ({"optim.kind": "lion"}, "config.optim.kind: 'lion' is not one of adam, sgd"),
        ({"optim.schedule": "line"}, "config.optim.schedule: 'line' is not one of cosine"),
        ({"loss.label_smoothing": 1.0}, "config.loss: label_smoothing must be in"),
    ],
)
def test_mistakes(changes, says):
    with pytest.raises(UsageError, match=says):
        build(config(**changes), SPEC)
