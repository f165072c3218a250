"""Every example of a docstring runs and gives what it shows."""

import doctest
import importlib

import numpy as np
import pytest
from launching import ROOT

import actjax

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "actjax").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name):
    module = importlib.import_module(name)
    failed, tried = doctest.testmod(module, extraglobs={"actjax": actjax, "np": np}, report=True)
    assert tried > 0 and failed == 0


def test_what_is_public_has_an_example():
    lacking = [name for name in actjax.__all__ if ">>> " not in (getattr(actjax, name).__doc__ or "")]
    assert not lacking
