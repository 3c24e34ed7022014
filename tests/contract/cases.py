"""What every system promises. A file for each config, so that workers share them; this is what they have in common.

A system's phases are the values of `System.phase`: each is one compiled program, in which some networks learn and the
others stay.
"""

import functools
from typing import ClassVar

import jax
import numpy as np
import pytest

from fer_jax.inference.checkpoints import SavedCheckpoints
from fer_jax.train.checkpoint import Checkpoints
from fer_jax.train.mesh import Trainer
from tests.micro import PLAIN, assert_equal, assert_same_gradients, micro
from tests.typed import build, open_data


class Case:
    """A micro run on the first `devices` devices: its data, its programs, and its states after each step."""

    def __init__(self, name, data_dir, devices, fields, steps):
        config = micro(name, data_dir, PLAIN | dict(fields))
        self.data = open_data(config)
        self.runner = Trainer(build(config, self.data.spec), 0, devices=devices)
        self.steps = steps
        self.programs = {}

    def phase(self, step):
        return self.runner.system.phase(step)

    @functools.cached_property
    def phases(self):
        """The distinct phases, in the order in which they begin."""
        return list(dict.fromkeys(map(self.phase, range(self.steps))))

    def program(self, phase):
        """A phase's one executable: it refuses a state or batch of any other shape, type or placement."""
        if phase not in self.programs:
            batch = self.runner.to_devices(next(self.data.train(0, 1)))
            lowered = self.runner.train_step(phase).lower(self.runner.init(), batch, self.runner.key)
            self.programs[phase] = lowered.compile()
        return self.programs[phase]

    def run(self, state, first, last):
        """(state, metrics) after each of the steps `first` to `last`; nothing moves to the devices unasked."""
        for step, batch in zip(range(first, last), self.data.train(first, last), strict=True):
            program = self.program(self.phase(step))
            with jax.transfer_guard("disallow"):
                state, metrics = program(state, self.runner.to_devices(batch), self.runner.key)
            yield state, jax.device_get(metrics)

    @functools.cached_property
    def straight(self):
        """The states (on the host) before the first step and after each, and the metrics of each step."""
        states, metrics = [jax.device_get(self.runner.init())], []
        for state, values in self.run(self.runner.init(), 0, self.steps):
            states.append(jax.device_get(state))
            metrics.append(values)
        return states, metrics


case = functools.cache(Case)


def changed(before, after):
    """Names of the leaves of two trees that differ, and of those that do not."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True)
    names = {True: set(), False: set()}
    for (path, old), new in pairs:
        names[not np.array_equal(old, new)].add(jax.tree_util.keystr(path))
    return names[True], names[False]


class Contract:
    """The tests of one config; its file says which, and what its phases train."""

    config: ClassVar[str]
    fields: ClassVar[dict] = {}  # of the config, such that a few steps go through all its phases
    steps: ClassVar[int] = 3
    phases: ClassVar[int] = 1  # how many a run of these steps has: so many compilations

    def trained(self, phase):
        """The networks that a phase trains -> names of those of their parameters whose gradient is 0, but for rounding.

        Everything else of a trained network changes; of the others parameters, optimiser and moving average stay.
        """
        del phase
        return None

    @pytest.fixture
    def eight(self, data_dir):
        return self.on(8, data_dir)

    def on(self, devices, data_dir):
        return case(self.config, data_dir, devices, tuple(sorted(self.fields.items())), self.steps)

    def test_every_phase_is_one_program(self, eight):
        """Every step of a phase runs its one executable, and gives back a state of the type that it took."""
        assert len(eight.phases) == self.phases
        states, metrics = eight.straight
        assert len(eight.programs) == self.phases
        assert [int(state.step) for state in states] == list(range(self.steps + 1))
        for values in metrics:
            assert values and all(np.isfinite(value) for value in values.values()), values
        batch = eight.runner.to_devices(next(eight.data.train(0, 1)))
        for phase in eight.phases:
            state = eight.runner.init()
            types = jax.tree.map(lambda leaf: (leaf.aval.str_short(), leaf.weak_type), state)
            after, _ = eight.program(phase)(state, batch, eight.runner.key)
            assert types == jax.tree.map(lambda leaf: (leaf.aval.str_short(), leaf.weak_type), after)

    def test_no_scalar_convolution_loops(self, eight):
        for phase in eight.phases:
            assert "rhs_reversal" not in eight.program(phase).as_text()

    def test_trained_networks_change_and_the_others_stay(self, eight):
        """On every step: parameters of trained networks change one and all, those of the others not by a bit."""
        states, _ = eight.straight
        for step, (before, after) in enumerate(zip(states, states[1:], strict=False)):
            trained = self.trained(eight.phase(step))
            trained = dict.fromkeys(before.nets, ()) if trained is None else trained
            assert set(trained) <= set(before.nets)
            for name, net in before.nets.items():
                if name in trained:
                    _, same = changed(net.params, after.nets[name].params)
                    assert same <= set(trained[name]), (step, name, same)
                else:
                    parts = [(n.params, n.opt_state, n.ema) for n in (net, after.nets[name])]
                    assert changed(*parts)[0] == set(), (step, name)

    def test_stopped_and_resumed_equals_straight_on(self, eight, tmp_path):
        """Bit for bit, batches and random numbers included: stopped within a phase, and at each change of phase."""
        states, _ = eight.straight
        changes = [step for step in range(1, self.steps) if eight.phase(step) != eight.phase(step - 1)]
        stops = sorted({self.steps - 1, *changes})
        runner = eight.runner
        for step, (state, _) in enumerate(eight.run(runner.init(), 0, self.steps), 1):
            if step in stops:
                checkpoints = Checkpoints(tmp_path / str(step))
                checkpoints.save(state, {}, step)
                checkpoints.close()
        assert_equal(states[-1], jax.device_get(state))
        for stop in stops:
            checkpoints = SavedCheckpoints(tmp_path / str(stop))
            ((again, _),) = eight.run(checkpoints.restore(stop, runner.abstract_state()), stop, stop + 1)
            assert_equal(states[stop + 1], jax.device_get(again))

    @pytest.mark.slow  # one device's programs are compiled too
    def test_one_device_and_eight_agree(self, data_dir):
        self.check_one_device_and_eight(data_dir)

    def check_one_device_and_eight(self, data_dir):
        """Losses and gradients of a step of each phase, to rounding."""
        for phase in self.on(8, data_dir).phases:
            results = []
            for devices in (1, 8):
                own = self.on(devices, data_dir)
                batch = own.runner.to_devices(next(own.data.train(0, 1)))
                results.append(jax.device_get(own.program(phase)(own.runner.init(), batch, own.runner.key)))
            (one, first), (eight, second) = results
            assert first.keys() == second.keys()
            for key in first:
                np.testing.assert_allclose(first[key], second[key], rtol=2e-4, atol=1e-6, err_msg=f"{phase} {key}")
            assert_same_gradients(one, eight, 5e-4)


class QuickContract(Contract):
    """Of a config whose programs compile within seconds: one device and eight are compared by default."""

    def test_one_device_and_eight_agree(self, data_dir):
        self.check_one_device_and_eight(data_dir)
