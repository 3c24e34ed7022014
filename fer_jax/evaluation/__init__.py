"""Evaluation of a trained system: the runner over a split, and the metrics."""
