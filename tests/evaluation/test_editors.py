"""What an editor is asked when its single units are measured."""

from unittest.mock import Mock

import numpy as np

from fer_jax.core.protocols import ControlledSystem
from fer_jax.core.state import TrainState
from fer_jax.evaluation import editors
from fer_jax.inference.runner import Runner

STATE = TrainState.create()


def runner_of(given):
    """An editor that finds 0.25 of all units in every picture, in controls whose scale is twice that of the data."""
    system = Mock(spec=ControlledSystem, controls_from=lambda labels: labels["aus"] * 2)

    def edit(state, *arrays):
        given.append([state, *arrays])
        return arrays[0]

    runner = object.__new__(Runner)
    condition_of = lambda state, image: np.full((len(image), 3), 0.25, np.float32)  # noqa: E731
    vars(runner).update(system=system, edit=edit, condition_of=condition_of)
    return runner


def test_told_and_unaided():
    given = []
    told, unaided = editors.ways(runner_of(given), STATE)
    images, own = np.zeros((1, 4, 4, 3), np.float32), np.array([[0.1, 0.2, 0.3]], np.float32)
    asked = np.array([[0.1, 0.45, 0.3]], np.float32)  # the second unit is to change
    told(images, asked, own)
    unaided(images, asked, own)
    (state, _, wanted, known), (_, _, wanted_unaided, seen) = given
    assert state is STATE
    np.testing.assert_allclose([wanted[0], known[0]], [[0.2, 0.9, 0.6], [0.2, 0.4, 0.6]], rtol=1e-6)
    np.testing.assert_allclose([wanted_unaided[0], seen[0]], [[0.25, 0.9, 0.25], [0.25] * 3], rtol=1e-6)
