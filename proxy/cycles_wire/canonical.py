"""One spelling of a JSON value, so that equal values are equal bytes.

Source: RFC 8785. One thing is more exact than there: an integer keeps all its digits. The
RFC takes every number for a double, and two amounts beyond 2**53 would be one.
"""

import hashlib
import math
from collections.abc import Collection
from json.encoder import encode_basestring
from typing import Any, Final

import msgspec

_LITERALS: Final = {None: "null", True: "true", False: "false"}
_DIGITS_MAX: Final = 21
"""ECMAScript writes numbers with more digits than this with an exponent."""


def canonical(value: Any) -> bytes:
    """The value as JSON: members sorted, nothing between them, numbers as ECMAScript writes them.

    `value` is what JSON decodes to, or a schema of this package.

    Raises:
        ValueError: infinity or not a number, which JSON has not, or a lone surrogate.
    """
    return _write(msgspec.to_builtins(value)).encode()


def payload_hash(request: Any) -> str:
    """SHA-256 of the canonical request, in hex: what a replay is compared by."""
    return hashlib.sha256(canonical(request)).hexdigest()


def _write(value: Any) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return _LITERALS[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _write_float(value)
    if isinstance(value, dict):
        members = [f"{encode_basestring(name)}:{_write(value[name])}" for name in _sorted(value)]
        return "{" + ",".join(members) + "}"
    return "[" + ",".join([_write(item) for item in value]) + "]"


def _sorted(names: Collection[str]) -> list[str]:
    """RFC 8785 section 3.2.3: names are sorted by their UTF-16 code units."""
    # As Python sorts them, where all are ASCII: nearly always, and in half the time.
    return sorted(names, key=None if "".join(names).isascii() else _utf16)


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _write_float(value: float) -> str:
    """Source: ECMA-262 section 6.1.6.1.20, Number::toString; the digits are those of `repr`."""
    if not math.isfinite(value):
        raise ValueError("JSON has neither infinity nor NaN")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).rstrip("0")
    # The value is 0.digits x 10**point, once zeros at its head are gone.
    point = len(whole) + int(exponent or 0) - (len(digits) - len(digits.lstrip("0")))
    digits = digits.lstrip("0")
    return sign + _place_point(digits, point)


def _place_point(digits: str, point: int) -> str:
    count = len(digits)
    if count <= point <= _DIGITS_MAX:
        return digits + "0" * (point - count)
    if 0 < point <= _DIGITS_MAX:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"
