"""Trained networks in use: a run's folder or packaged weights in, predictions, edits and samples out."""
