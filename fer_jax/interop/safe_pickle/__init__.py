"""Pickles, .npy and .npz files of strangers, read without running anything that they name.

Threat model. The file is written by an attacker who wants code to run, memory or time to run out, or wrong data to pass
for right. Nothing a pickle names is imported or called: an interpreter of the opcodes (`interpreter`) builds plain
containers, and hands every global to a table of the few that the caller knows, which build values themselves. Sizes are
compared with the file's own before anything is allocated; what is damaged, too large or unknown is a UsageError of one
line. Not defended against: whoever can replace this package, or change a file between two reads of it.
"""
