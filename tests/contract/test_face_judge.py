"""The contract of configs/face_judge.py."""

from tests.contract.cases import Contract


class TestFaceJudge(Contract):
    config = "face_judge"
