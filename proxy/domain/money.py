"""Amounts: int64 in a named unit, never float. One US dollar is 10**8 microcents.

Source: cycles-protocol-v0.yaml, schemas UnitEnum and Amount.
"""

import re
from enum import StrEnum
from fractions import Fraction
from typing import Final, NewType

Microcents = NewType("Microcents", int)

MICROCENTS_PER_USD = 100_000_000
MICROCENTS_PER_CENT = 1_000_000
INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)

_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9][0-9_]*)(?:\.[0-9]+)?"
_WRITTEN_USD = re.compile(rf"(?P<minus>-?)(?:\$(?P<dollars>{_NUMBER})|(?P<amount>{_NUMBER}) ?USD)")


class Unit(StrEnum):
    """What an amount counts. CALLS are ours: a call holds one of them, and the wire has none."""

    USD_MICROCENTS = "USD_MICROCENTS"
    TOKENS = "TOKENS"
    CREDITS = "CREDITS"
    RISK_POINTS = "RISK_POINTS"
    CALLS = "CALLS"


WIRE_UNITS: Final = tuple(unit for unit in Unit if unit is not Unit.CALLS)
"""The units of the protocol."""


def parse_usd(text: str) -> Microcents:
    """Read `$1.00` or `1.00 USD` exactly. A comma stands between thousands only: `$1,50` is none.

    Raises:
        ValueError: not written that way, finer than a microcent, or beyond int64.
    """
    written = _WRITTEN_USD.fullmatch(text.strip())
    if written is None:
        raise ValueError(f'{text!r} is not an amount of money: write "$10.00" or "10.00 USD"')
    digits = (written["dollars"] or written["amount"]).replace(",", "").replace("_", "")
    microcents = Fraction(digits) * MICROCENTS_PER_USD
    if microcents.denominator != 1:
        raise ValueError(f"{text!r} is finer than a microcent, $0.00000001")
    if microcents > INT64_MAX:
        raise ValueError(f"{text!r} is beyond the largest amount, $92,233,720,368.54")
    return Microcents(-int(microcents) if written["minus"] else int(microcents))


def usd(microcents: int) -> str:
    """The amount as a decimal string of dollars, exact, at least two decimals: `0.0421`."""
    if microcents < 0:
        return f"-{usd(-microcents)}"
    digits = str(microcents).zfill(9)
    return f"{digits[:-8]}.{digits[-8:-6]}{digits[-6:].rstrip('0')}"


def written(amount: int, unit: Unit) -> str:
    """The amount as people read it: `$0.0421`, `1,200 TOKENS`, `1 call`."""
    if unit is Unit.USD_MICROCENTS:
        return f"-${usd(-amount)}" if amount < 0 else f"${usd(amount)}"
    if unit is Unit.CALLS:
        return "1 call" if amount == 1 else f"{amount:,} calls"
    return f"{amount:,} {unit}"
