"""The contract of configs/classifier.py."""

from tests.contract.cases import QuickContract


class TestClassifier(QuickContract):
    config = "classifier"
