"""The FER2013 classifiers."""
