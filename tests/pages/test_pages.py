"""Numbers as text and colours that can be read."""

import doctest

import numpy as np
import pytest

from actjax.pages import numbers, style


def test_the_examples_of_numbers_run():
    assert doctest.testmod(numbers) == (0, 3)


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_one_minus_sign_and_no_negative_zero(digits):
    for value in np.random.default_rng(0).normal(0, 0.02, 200):
        for form in (numbers.number, numbers.signed):
            text = form(value, digits)
            back = float(text.replace("−", "-"))
            assert "-" not in text and back == pytest.approx(value, abs=0.5 * 10**-digits)
            assert back != 0 or not text.startswith(("−", "+"))


def test_an_interval_tells_on_which_side_of_zero_it_lies():
    assert numbers.interval(0.004, 0.02) == "0.004 to 0.020"
    assert numbers.interval(-0.3, 0.0) == "−0.30 to 0.00"
    assert numbers.interval(float("nan"), 1.0) == ""


def test_text_on_any_colour_has_enough_contrast():
    def luminance(rgb):
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ np.asarray([0.2126, 0.7152, 0.0722])

    colours = np.random.default_rng(1).random((4000, 3))
    text = np.asarray([{"black": 0.0, "white": 1.0}[style.text_on(colour)] for colour in colours])
    behind = luminance(colours)
    low, high = np.minimum(text, behind), np.maximum(text, behind)
    assert ((high + 0.05) / (low + 0.05)).min() >= 4.5
