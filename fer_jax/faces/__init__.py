"""Photographs: where the faces are in them, and faces put back into them."""
