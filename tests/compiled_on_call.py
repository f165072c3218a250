"""Lets librosa compile a function when it is first called, for what it is called with alone."""

import functools

import numba
import numpy as np


@functools.cache
def compile_on_call() -> None:
    """Replaces numba.guvectorize, before librosa is imported: of its 40 functions the tests call 8."""
    eager = numba.guvectorize

    def on_call(signatures, layout, **options):
        def decorate(function):
            compiled = {}

            def call(first, *others):
                kind = np.asarray(first).dtype.name
                if kind not in compiled:
                    fitting = [one for one in signatures if f"({kind}[" in str(one)]
                    compiled[kind] = eager(fitting or signatures, layout, **options)(function)
                return compiled[kind](first, *others)

            return functools.wraps(function)(call)

        return decorate

    numba.guvectorize = on_call
