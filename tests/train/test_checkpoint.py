import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.core.optimisers import NO_OPTIMISER
from fer_jax.core.state import NetState, TrainState
from fer_jax.inference.checkpoints import SavedCheckpoints
from fer_jax.train.checkpoint import Checkpoints

TX = optax.adam(1e-3)


def state(value, width=3):
    return TrainState.create(net=NetState.create({"kernel": jnp.full((2, width), value)}, TX))


def template(width=3):
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), state(0.0, width))


def saved(folder, scores):
    checkpoints = Checkpoints(folder)
    for step, score in scores.items():
        checkpoints.save(state(float(step)), {"a": 1}, step, score)
    checkpoints.wait()
    return checkpoints


def test_the_best_and_the_last_are_kept(tmp_path):
    checkpoints = saved(tmp_path, {1: 0.2, 2: 0.9, 3: 0.5, 4: None, 5: 0.1})
    assert (checkpoints.best, checkpoints.latest, checkpoints.choose()) == (2, 5, 2)
    assert sorted(int(path.name) for path in checkpoints.folder.iterdir() if path.name.isdigit()) == [2, 5]
    restored = checkpoints.restore(2, template())
    np.testing.assert_array_equal(restored.nets["net"].params["kernel"], 2.0)


def test_of_equals_the_earlier_is_the_best(tmp_path):
    assert saved(tmp_path, {1: 0.5, 2: 0.5, 3: 0.5}).best == 1


def test_nothing_selected_means_the_newest(tmp_path):
    checkpoints = saved(tmp_path, {1: None, 2: None})
    assert checkpoints.best is None and checkpoints.choose() == 2


def test_mistakes_are_named(tmp_path):
    with pytest.raises(UsageError, match="no checkpoint there yet"):
        SavedCheckpoints(tmp_path / "empty").choose()
    checkpoints = saved(tmp_path / "run", {3: 0.5})
    with pytest.raises(UsageError, match="no checkpoint of step 7; there are 3"):
        checkpoints.choose(7)
    with pytest.raises(UsageError, match="cannot be restored"):
        checkpoints.restore(3, template(width=4))


def test_without_optimisers_theirs_are_not_read(tmp_path):
    checkpoints = saved(tmp_path, {3: 0.5})
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    plain = TrainState.create(net=NetState.create({"kernel": jnp.zeros((2, 3))}, NO_OPTIMISER))
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), plain)
    restored = checkpoints.restore(3, shapes)
    assert not jax.tree.leaves(restored.nets["net"].opt_state)
    np.testing.assert_array_equal(restored.nets["net"].params["kernel"], 3.0)
    with pytest.raises(RuntimeError, match="without optimisers"):
        restored.nets["net"].update({"kernel": jnp.zeros((2, 3))}, NO_OPTIMISER)
