"""The contract of configs/classifier.py."""

from tests.contract.cases import Contract


class TestClassifier(Contract):
    config = "classifier"
    one_device_by_default = True
