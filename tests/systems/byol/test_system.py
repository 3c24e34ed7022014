import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import byol as configs
from fer_jax.core.errors import UsageError
from fer_jax.core.metrics import probe
from fer_jax.core.spec import DataSpec
from tests.typed import build

SPEC = DataSpec(16, 1, 5, {"expression": ("a", "b", "c")})


def config(**changes):
    tree = configs.get_config("tiny")
    tree.model.update(depths=(1, 1), width=4, hidden=8, embedding=8)
    tree.update_from_flattened_dict(changes)
    return tree


def batch(seed=0):
    rng = np.random.default_rng(seed)
    face, view = (jnp.asarray(rng.uniform(size=(6, 16, 16, 1)), jnp.float32) for _ in range(2))
    return {"face": {"image": face, "expression": jnp.arange(6) % 3}, "view": {"image": view}}


@pytest.fixture(scope="module")
def run():
    system = build(config(), SPEC)
    step = jax.jit(lambda state, batch: system.train_step(state, batch, jax.random.key(1), "train"))
    first = jax.jit(system.init)(jax.random.key(0))
    states, losses = [first], []
    for i in range(3):
        state, metrics = step(states[-1], batch(i))
        states.append(state)
        losses.append(float(metrics["loss"]))
    return states, losses


def test_the_copy_follows_the_network_of_the_step_before(run):
    """theta_m <- 0.99 theta_m + 0.01 theta before the forward pass; the predictor has no copy."""
    states, losses = run
    assert all(-1 <= loss <= 1 for loss in losses)
    for before, after in zip(states, states[1:], strict=False):
        copy, moved = before.extra["momentum"]["params"], after.extra["momentum"]["params"]
        assert set(copy) == {"backbone", "projection_head"}
        online = {name: before.nets["net"].params[name] for name in copy}
        jax.tree.map(
            lambda old, new, now: np.testing.assert_allclose(now, 0.99 * old + 0.01 * new, atol=1e-6),
            copy,
            online,
            moved,
        )


def test_statistics_of_both_move_on_their_own(run):
    states, _ = run
    online, copy = states[-1].nets["net"].stats["batch_stats"], states[-1].extra["momentum"]["batch_stats"]
    mean = lambda stats: np.asarray(stats["backbone"]["net"]["stem_norm"]["mean"])  # noqa: E731
    assert np.abs(mean(online)).max() > 0 and np.abs(mean(copy)).max() > 0
    assert np.abs(mean(online) - mean(copy)).max() > 0


def test_probe_tells_what_features_know():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 30)
    known = np.eye(3)[labels] + 0.1 * rng.normal(size=(90, 3))
    assert probe(known, labels)["accuracy"] > 0.95
    assert probe(rng.normal(size=(90, 3)), labels)["accuracy"] < 0.6
    rare = probe(known[:33], labels[:33])  # three of the second class: too few for five folds
    assert rare == {"accuracy": 0.0, "examples": 30}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model.backbone": "vgg"}, "config.model.backbone: 'vgg' is not one of"),
        ({"momentum": 1.0}, "config.momentum: 1.0 is not in"),
        ({"norm": "mean"}, "config.norm: 'mean'"),
    ],
)
def test_mistakes(changes, says):
    with pytest.raises(UsageError, match=says):
        build(config(**changes), SPEC)
