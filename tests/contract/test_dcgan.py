"""The contract of configs/dcgan.py."""

from tests.contract.cases import Contract


class TestDcgan(Contract):
    config = "dcgan"
    one_device_by_default = True
