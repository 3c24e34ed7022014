"""What is written and drawn: the metrics record, the console, sample sheets, GIFs and plots."""
