"""Numbers as text: one minus sign, no negative zero, a hyphen for what is undefined."""

import math

MINUS, UNDEFINED = "−", "-"


def number(value: float | None, digits: int = 2) -> str:
    """The value with so many decimals.

    >>> number(-0.25), number(-0.001), number(float("nan"))
    ('−0.25', '0.00', '-')
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    text = f"{value:.{digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", MINUS)


def signed(value: float | None, digits: int = 2) -> str:
    """The same with a plus before what is above 0.

    >>> signed(0.25), signed(-0.25), signed(0.0)
    ('+0.25', '−0.25', '0.00')
    """
    text = number(value, digits)
    above = value is not None and math.isfinite(value) and value > 0 and float(text) != 0
    return f"+{text}" if above else text


def interval(low: float, high: float, digits: int = 2, *, sign: bool = False) -> str:
    """Both ends, with the digits that tell on which side of 0 each lies; empty where one is undefined.

    >>> interval(-0.25, 0.5), interval(0.001, 0.2)
    ('−0.25 to 0.50', '0.001 to 0.200')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    while digits < 4 and any(end != 0 and float(f"{end:.{digits}f}") == 0 for end in (low, high)):
        digits += 1
    form = signed if sign else number
    return f"{form(low, digits)} to {form(high, digits)}"


def p_value(value: float) -> str:
    """Three decimals; a hyphen where undefined."""
    return number(value, 3)
