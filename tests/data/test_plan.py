import numpy as np
import pytest

from fer_jax.data.pipeline import Plan, Shard


def epoch(plan, number):
    steps = range(number * plan.steps_per_epoch, (number + 1) * plan.steps_per_epoch)
    batches = [plan.positions(step) for step in steps]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in plan.lengths}


@pytest.mark.parametrize("fixed", [True, False])
def test_every_example_is_seen_in_every_epoch_in_batches_of_one_size(fixed):
    plan = Plan({"face": 7, "expression": 23}, 5, seed=3, fixed_pairs=fixed)
    assert plan.steps_per_epoch == 5
    for number in range(3):
        seen = epoch(plan, number)
        assert len(seen["expression"]) == 25
        assert set(seen["expression"]) == set(range(23)) and set(seen["face"]) == set(range(7))
        counts = np.bincount(seen["face"])
        assert counts.max() - counts.min() <= 2


def test_fixed_pairs_stay_and_others_change():
    lengths = {"face": 7, "expression": 23}
    fixed, free = (Plan(lengths, 5, seed=3, fixed_pairs=kind) for kind in (True, False))
    for number in range(2):
        seen = epoch(fixed, number)
        np.testing.assert_array_equal(seen["face"], seen["expression"] % 7)
    pairs = [set(zip(*epoch(free, n).values(), strict=True)) for n in range(2)]
    assert pairs[0] != pairs[1]


def test_epochs_differ_and_steps_repeat():
    plan, again = (Plan({"x": 40}, 8, seed=1) for _ in range(2))
    assert not np.array_equal(epoch(plan, 0)["x"], epoch(plan, 1)["x"])
    np.testing.assert_array_equal(plan.positions(9)["x"], again.positions(9)["x"])


def test_fewer_examples_than_a_batch():
    plan = Plan({"x": 3}, 8, seed=0)
    assert plan.steps_per_epoch == 1 and set(plan.positions(5)["x"]) == {0, 1, 2}


def test_hosts_share_a_batch_without_overlap():
    rows = [np.arange(12)[Shard(i, 3).rows(12)] for i in range(3)]
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(12))
