"""The contract of configs/emotion_gcn.py."""

from tests.contract.cases import QuickContract


class TestEmotionGcn(QuickContract):
    config = "emotion_gcn"
