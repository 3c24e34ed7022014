"""A run of two processes and the same run of one: the same parameters to float32 rounding."""

import jax
import numpy as np
import optax
import pytest

from tests import micro

# One step: from the second on ReLUs near zero open in one run and not in the other, which is percents of a gradient.
RUN = {"steps": 1, "log_every": 1, "checkpoint_every": 1, "eval_every": 1, "sample_every": 1}


def assert_same_parameters(one, other):
    """Where rounding cannot change the gradient's sign, which is all that Adam's first step sees of it."""
    for name, net in one.nets.items():
        moments = jax.tree_util.tree_leaves_with_path(optax.tree_utils.tree_get(net.opt_state, "mu"))
        pairs = zip(jax.tree.leaves(net.params), jax.tree.leaves(other.nets[name].params), strict=True)
        for (path, moment), (a, b) in zip(moments, pairs, strict=True):
            clear = np.abs(moment) > 0.01 * np.abs(moment).max()
            where = name + jax.tree_util.keystr(path)
            np.testing.assert_allclose(np.asarray(a)[clear], np.asarray(b)[clear], rtol=0, atol=1e-6, err_msg=where)


@pytest.mark.slow  # three processes, each of which traces the step and compiles or loads it
def test_two_processes_train_as_one_does(data_dir, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    micro.succeeds(data_dir, micro.flags("tdgan", one, **RUN))
    micro.succeeds(data_dir, micro.flags("tdgan", two, **RUN), command=("bash", "launch/local.sh", "2"))
    alone, together = micro.rows(one), micro.rows(two)
    assert [row["kind"] for row in alone] == [row["kind"] for row in together] == ["train", "eval"]  # host 0's alone
    for a, b in zip(alone, together, strict=True):
        assert a.keys() == b.keys()
        for name in a.keys() - {"kind"}:
            np.testing.assert_allclose(a[name], b[name], rtol=2e-4, err_msg=name)
    states = [micro.last_state("tdgan", workdir) for workdir in (one, two)]
    micro.assert_same_gradients(*states, 5e-4)
    assert_same_parameters(*states)
