"""The contract of configs/dcgan.py."""

from tests.contract.cases import QuickContract


class TestDcgan(QuickContract):
    config = "dcgan"
