"""Data sets, splits, views and batches."""
