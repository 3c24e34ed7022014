"""Files of other frameworks, in and out: torch state dicts and the references' pickles, read without running them."""
