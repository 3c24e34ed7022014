"""BYOL: features without labels, for the FER2013 classifiers to start from."""
