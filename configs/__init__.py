"""One file a system; common.py has what they share."""
