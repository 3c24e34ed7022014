"""Flax modules and the layers they are built from. Plain-value fields; no losses, optimisers or configs here."""
