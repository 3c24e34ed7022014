"""Emotion-GCN: class, valence and arousal from one network whose heads a graph network makes."""
