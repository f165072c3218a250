"""Lists have headers, a line for each plug-in, and all that is known of one."""

import pytest

from actjax import config_files, lookup
from actjax.command import listing
from actjax.command.words import KINDS


@pytest.mark.parametrize("plural", KINDS)
def test_a_list_has_headers_and_a_line_for_each(plural):
    title, note, empty, header, rule, *lines = listing.describe(plural).split("\n")
    names = config_files.names() if plural == "configs" else lookup.names(plural.removesuffix("s"))
    assert title == plural.capitalize() and plural in note and not empty
    assert header.split()[0] == plural.removesuffix("s") and set(rule) == {"-", " "}
    assert [line.split()[0] for line in lines] == list(names)
    start = header.index("what it is")
    assert all(line[start:].strip() for line in lines), lines


def test_all_of_one_is_its_docstring_and_its_options():
    text = listing.describe("metrics:cka")
    assert "<K', K'>" in text and "debiased: bool = True" in text
    assert "python launch.py" in listing.describe("configs:quickstart")
    assert "Puts the four findings" in listing.describe("stages:findings")
    assert listing.describe("dataset:gm_instruments").startswith("gm_instruments\n\n")


def test_what_there_is_not_is_refused():
    with pytest.raises(ValueError, match=r"--list=metrik: expected one of metrics\|features"):
        listing.describe("metrik")
    with pytest.raises(lookup.UnknownNameError, match="did you mean cka"):
        listing.describe("metrics:cka2")
