"""The contract of configs/byol.py."""

from tests.contract.cases import Contract


class TestByol(Contract):
    config = "byol"
