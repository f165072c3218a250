"""Files of a workdir that one stage writes and another reads: each file's writer beside its reader."""
