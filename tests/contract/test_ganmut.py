"""The contract of configs/ganmut.py: the discriminator learns classes alone, then both learn by turns."""

from tests.contract.cases import Contract


class TestGanmut(Contract):
    config = "ganmut"
    fields = {"warm_up": 1, "n_critic": 2}
    steps, phases = 4, 3  # warm-up; both; the discriminator; both

    def trained(self, phase):
        """In the warm-up nothing asks whether pictures are real, which is conv1's part."""
        return {"disc": ["['conv1']['kernel']"] if phase.warm_up else ()} | ({"gen": ()} if phase.gen else {})
