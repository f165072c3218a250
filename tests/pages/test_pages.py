"""Numbers as text and colours that can be read."""

import doctest

import numpy as np
import pytest

from actjax.pages import numbers, style


def test_the_examples_of_numbers_run():
    assert doctest.testmod(numbers) == (0, 5)


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_one_minus_sign_and_no_negative_zero(digits):
    for value in np.random.default_rng(0).normal(0, 0.02, 200):
        for form in (numbers.number, numbers.signed):
            text = form(value, digits)
            back = float(text.replace("−", "-"))
            assert "-" not in text and back == pytest.approx(value, abs=0.5 * 10**-digits)
            assert back != 0 or not text.startswith(("−", "+"))


def test_a_number_that_was_shortened_is_rounded_as_the_number_itself():
    """Values beside a half, halves themselves, float32 and large ones; a browser rounds halves up."""
    rng = np.random.default_rng(0)
    near = (rng.integers(-3000, 3000, 300) + 0.5) / 10.0 ** rng.integers(0, 5, 300)
    beside = np.concatenate([np.nextafter(near, 9), np.nextafter(near, -9), near + 4e-8, near - 4e-8])
    values = [*near, *beside, *rng.normal(size=300).astype(np.float32), 1e-9, -3e-7, 12345.678949, 1e22]
    for value in map(float, values):
        assert numbers.shortened(value) == pytest.approx(value, rel=2e-6)
        for digits in range(5):
            assert numbers.number(numbers.shortened(value), digits) == numbers.number(value, digits), value
    assert numbers.number(0.125) == "0.13" and numbers.number(-0.125) == "−0.13"


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
