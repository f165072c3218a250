"""Recordings of any origin: decoding, finding files, catalogues of public data sets."""
