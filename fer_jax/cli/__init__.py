"""The commands: each parses its flags, calls the rooms below, and prints. Nothing imports them."""
