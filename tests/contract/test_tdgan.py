"""The contract of configs/tdgan.py: a warm-up, then steps that update both discriminators, one or neither."""

import pytest

from tests.contract.cases import Contract


class TestTdgan(Contract):
    config = "tdgan"
    fields = {"warm_up": 1}
    steps, phases = 3, 2  # warm-up; both

    def trained(self, phase):
        nets = {"gen", "er_head"} | {name for name in ("dis_fr", "dis_er") if getattr(phase, name)}
        return dict.fromkeys(nets, ())


@pytest.mark.slow  # a program of a phase takes half a minute to compile
class TestDiscriminatorsByTurns(TestTdgan):
    fields = {"warm_up": 1, "d_fr_every": 2, "d_er_every": 4}
    steps, phases = 6, 4  # warm-up; neither; the one of identities; neither; both; neither
