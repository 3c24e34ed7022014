"""A run of two processes and the same run of one: the same parameters to float32 rounding."""

import numpy as np
import pytest

from tests import micro

RUN = {"steps": 2, "log_every": 1, "checkpoint_every": 2, "eval_every": 2, "sample_every": 2}


@pytest.mark.slow  # three processes, each of which compiles or loads the step
def test_two_processes_train_as_one_does(data_dir, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    micro.succeeds(data_dir, micro.flags("tdgan", one, **RUN))
    micro.succeeds(data_dir, micro.flags("tdgan", two, **RUN), command=("bash", "launch/local.sh", "2"))
    alone, together = micro.rows(one), micro.rows(two)
    assert len(alone) == len(together) == 3  # two of training, one of evaluation: host 0 alone writes
    for a, b in zip(alone, together, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            if name != "kind":
                np.testing.assert_allclose(a[name], b[name], rtol=2e-3, err_msg=name)
    states = [micro.last_state("tdgan", workdir) for workdir in (one, two)]
    micro.assert_same_gradients(*states, 5e-3)
