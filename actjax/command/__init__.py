"""The command line: words and flags in, one line out where they are wrong, and the run that they ask for."""
