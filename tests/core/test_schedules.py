import numpy as np
import pytest

from fer_jax.core import schedules as schedule
from fer_jax.core.errors import UsageError


def test_cosine_once_an_epoch_is_pytorchs():
    """CosineAnnealingLR with T_max = 4 epochs, stepped after every epoch of 3 steps."""
    rate = schedule.cosine(0.2, 12, every=3)
    expected = [0.1 * (1 + np.cos(np.pi * (step // 3) / 4)) for step in range(12)]
    np.testing.assert_allclose([float(rate(step)) for step in range(12)], expected, rtol=1e-6)


def test_warm_up_rises_to_the_top_and_is_no_longer_than_half_of_a_run():
    rate = schedule.cosine(1.0, 20, warm_up=4)
    values = [float(rate(step)) for step in range(20)]
    np.testing.assert_allclose(values[:5], [0.25, 0.5, 0.75, 1.0, 1.0], rtol=1e-6)
    assert all(a > b for a, b in zip(values[4:], values[5:], strict=False)) and values[-1] < 0.02
    short = schedule.cosine(1.0, 4, warm_up=100)
    assert float(short(1)) == pytest.approx(1.0) and float(short(3)) < 1


def test_values_out_of_range():
    for wrong in (lambda: schedule.cosine(0.0, 10), lambda: schedule.cosine(1.0, 10, warm_up=-1)):
        with pytest.raises(UsageError, match="config.optim: lr"):
            wrong()
    with pytest.raises(UsageError, match="decay_epochs must be above 0, got 0.1, 0.1, 0"):
        schedule.staircase(0.1, 0.1, 0)
