"""What every system promises, over every file of configs/: one compilation serves all tests of a system."""

import functools

import jax
import numpy as np
import pytest

from fer_jax.train.checkpoint import Checkpoints
from fer_jax.train.mesh import Trainer as Runner
from tests.micro import assert_equal, assert_same_gradients, config_names, micro
from tests.typed import build, open_data

# Leaves that no gradient reaches: what is added to all values of a Wasserstein critic changes no difference of them.
_UNREACHED = {"au_cyclegan": {"critic": "['fc_adv']['layers_1']['linear']['bias']"}}


_SMALL = ("classifier", "dcgan", "emotion_gcn")  # steps that compile in seconds


@functools.cache
def built(name, data_dir, devices):
    """(data, runner, phase, the compiled step) on the first `devices` devices."""
    data = open_data(micro(name, data_dir))
    runner = Runner(build(micro(name, data_dir), data.spec), 0, devices=devices)
    phase = runner.system.phase(0)
    batch = runner.to_devices(next(data.train(0, 1)))
    compiled = runner.train_step(phase).lower(runner.init(), batch, runner.key).compile()
    return data, runner, phase, compiled


def steps(name, data_dir, devices, state, first, last):
    data, runner, phase, compiled = built(name, data_dir, devices)
    for step, batch in zip(range(first, last), data.train(first, last), strict=True):
        assert runner.system.phase(step) == phase  # one program serves every step of these configs
        with jax.transfer_guard("disallow"):
            state, metrics = compiled(state, runner.to_devices(batch), runner.key)
    return state, jax.device_get(metrics)


@pytest.mark.parametrize("name", config_names())
class TestContract:
    def test_no_scalar_convolution_loops(self, name, data_dir):
        assert "rhs_reversal" not in built(name, data_dir, 8)[3].as_text()

    def test_a_step_changes_every_net(self, name, data_dir):
        runner = built(name, data_dir, 8)[1]
        before = jax.device_get(runner.init())
        after, metrics = steps(name, data_dir, 8, runner.init(), 0, 1)
        assert int(after.step) == 1 and all(np.isfinite(value) for value in metrics.values())
        for net in before.nets:
            old, new = (jax.tree_util.tree_leaves_with_path(state.nets[net].params) for state in (before, after))
            same = {jax.tree_util.keystr(path) for (path, a), (_, b) in zip(old, new, strict=True) if np.all(a == b)}
            assert same <= {_UNREACHED.get(name, {}).get(net)}, net

    def test_saved_and_restored_equals_straight_on(self, name, data_dir, tmp_path):
        """Bit for bit, batches and random numbers included; and two runs with one seed agree."""
        runner = built(name, data_dir, 8)[1]
        straight, _ = steps(name, data_dir, 8, runner.init(), 0, 3)
        half, _ = steps(name, data_dir, 8, runner.init(), 0, 2)
        checkpoints = Checkpoints(tmp_path)
        checkpoints.save(half, {}, 2)
        checkpoints.wait()
        again, _ = steps(name, data_dir, 8, checkpoints.restore(2, runner.abstract_state()), 2, 3)
        checkpoints.close()
        assert_equal(straight, again)

    def test_one_device_and_eight_agree(self, name, data_dir, request):
        """Losses and the first step's gradients to rounding. It compiles the step once more."""
        if name not in _SMALL and not request.config.getoption("--slow"):
            pytest.skip("compiles for long: --slow runs it")
        (one, first), (eight, second) = (
            steps(name, data_dir, n, built(name, data_dir, n)[1].init(), 0, 1) for n in (1, 8)
        )
        assert first.keys() == second.keys()
        for key in first:
            np.testing.assert_allclose(first[key], second[key], rtol=2e-4, atol=1e-6, err_msg=key)
        assert_same_gradients(one, eight, 5e-4)
