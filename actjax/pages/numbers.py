"""Numbers as text: one minus sign, no negative zero, a hyphen for what is undefined; a half is rounded up.

Browsers round a half away from zero, so that a page's script and these functions give the same text.
"""

import decimal
import math
from decimal import Decimal

MINUS, UNDEFINED = "−", "-"
_ALL_DIGITS = decimal.Context(prec=400)  # of any float


def number(value: float | None, digits: int = 2) -> str:
    """The value with so many decimals.

    >>> number(-0.25), number(-0.001), number(0.125), number(float("nan"))
    ('−0.25', '0.00', '0.13', '-')
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    return _text(Decimal(float(value)), digits)


def share(value: float | None) -> str:
    """A share in whole per cent.

    >>> share(0.125), share(float("nan"))
    ('13%', '-')
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    return f"{_text(Decimal(float(value)).scaleb(2, _ALL_DIGITS), 0)}%"


def shortened(value: float, decimals: int = 6) -> float:
    """The value with so many decimals, or significant digits below 1, that later rounding comes out the same.

    What is cut off leaves a last digit that is neither 0 nor 5, so that no half arises that was none before.

    >>> shortened(0.28499999999), shortened(0.12500000001), shortened(0.125)
    (0.2849999, 0.1250001, 0.125)
    """
    exact = Decimal(float(value))
    last = Decimal(1).scaleb(min(0, exact.adjusted()) - decimals)
    return float(exact.quantize(last, decimal.ROUND_05UP, _ALL_DIGITS))


def _text(exact: Decimal, digits: int) -> str:
    cut = exact.quantize(Decimal(1).scaleb(-digits), decimal.ROUND_HALF_UP, _ALL_DIGITS)
    return f"{abs(cut) if cut.is_zero() else cut:f}".replace("-", MINUS)


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
