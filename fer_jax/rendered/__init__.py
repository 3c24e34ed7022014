"""The compact CC0 face model and its software renderer, which make the embedded data set `rendered_faces`."""
