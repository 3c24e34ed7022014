"""The contract of configs/face_evaluator.py."""

from tests.contract.cases import Contract


class TestFaceEvaluator(Contract):
    config = "face_evaluator"
