"""The contract of configs/emotion_gcn.py."""

from tests.contract.cases import Contract


class TestEmotionGcn(Contract):
    config = "emotion_gcn"
    one_device_by_default = True
