"""The published experiments e1 to e7 of the face editor, some of them with the faults they were published with."""
