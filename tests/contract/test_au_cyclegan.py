"""The contract of configs/au_cyclegan.py: the critic learns AUs alone, then by each step, the generator by some."""

from tests.contract.cases import Contract


class TestAuCyclegan(Contract):
    config = "au_cyclegan"
    fields = {"warm_up": 1, "gen_every": 2}
    steps, phases = 4, 3  # warm-up; the critic; both; the critic

    def trained(self, phase):
        """The warm-up needs no value of the critic; and what is added to all values changes no difference of them."""
        head = [f"['fc_adv']['layers_{i}']['linear']['{kind}']" for i in range(2) for kind in ("kernel", "bias")]
        return {"critic": head if phase.warm_up else head[-1:]} | ({"gen": ()} if phase.gen else {})
