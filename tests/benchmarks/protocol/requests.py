"""The bytes of each operation. No two requests share an idempotency key or, nearly, an amount.

Headers and fields are those that the clients of the protocol send.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

SECRET: Final = "cyc_live_bench"
UNIT: Final = "USD_MICROCENTS"
LEVELS: Final = ("tenant", "workspace", "app", "workflow", "agent", "toolset")

_TTL_MS: Final = 600_000
"""Longer than any run: no lease shall end by itself."""

_ESTIMATES: Final = range(20_000, 21_000)
_ACTUALS: Final = range(10_000, 11_000)
"""Of five digits each, so that all requests are of one length."""

_SERIAL_DIGITS: Final = 8
_SERIAL: Final = "#" * _SERIAL_DIGITS
_AMOUNT: Final = 99_999
_ID: Final = "@" * 36

_RESERVATION_ID: Final = re.compile(rb'"reservation_id":"([^"]+)"')


class Operation(StrEnum):
    """What is asked for."""

    DECIDE = "decide"
    RESERVE = "reserve"
    COMMIT = "commit"


@dataclass(frozen=True, slots=True)
class Asks:
    """Requests of one operation; keys begin with `label`, which no other Job shares.

    COMMIT ends `reservation_ids`, one after another, and can be asked no further.
    """

    operation: Operation
    label: str
    reservation_ids: tuple[str, ...] = ()


def estimate_of(serial: int) -> int:
    """What the request with this serial number, from 1 on, wants to hold."""
    return _ESTIMATES[serial % len(_ESTIMATES)]


def actual_of(serial: int) -> int:
    """What the commit with this serial number says was spent."""
    return _ACTUALS[serial % len(_ACTUALS)]


class ProtocolRequests:
    """The requests of one Job."""

    def __init__(self, host: str, asks: Asks) -> None:
        self._amount_of = actual_of if asks.operation is Operation.COMMIT else estimate_of
        self._template = _template(host, asks)
        self._reservation_ids: Iterator[str] = iter(asks.reservation_ids)
        self._is_commit = asks.operation is Operation.COMMIT
        self._serial = 0

    def next(self) -> bytes:
        """The next request, whole."""
        self._serial += 1
        serial = b"%0*d" % (_SERIAL_DIGITS, self._serial)
        amount = b"%d" % self._amount_of(self._serial)
        if self._is_commit:
            named = next(self._reservation_ids).encode()
            return self._template % (named, serial, serial, amount)
        return self._template % (serial, serial, amount)


def reservation_ids_in(answers: Sequence[bytes]) -> tuple[str, ...]:
    """The holds that these answers made."""
    found = (_RESERVATION_ID.search(answer) for answer in answers)
    return tuple(match[1].decode() for match in found if match)


def _template(host: str, asks: Asks) -> bytes:
    """A request with `%s` for the id in a commit's path, the serial number twice, the amount."""
    key = f"{asks.label}-{_SERIAL}"
    body = json.dumps({"idempotency_key": key, **_body(asks.operation)}, separators=(",", ":"))
    head = (
        f"POST {_path(asks.operation)} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n"
        "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nUser-Agent: bench\r\n"
        f"X-Cycles-API-Key: {SECRET}\r\nX-Idempotency-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    text = (head + body).replace("%", "%%")
    for blank in (_ID, _SERIAL, str(_AMOUNT)):
        text = text.replace(blank, "%s")
    return text.encode()


def _path(operation: Operation) -> str:
    match operation:
        case Operation.DECIDE:
            return "/v1/decide"
        case Operation.RESERVE:
            return "/v1/reservations"
        case Operation.COMMIT:
            return f"/v1/reservations/{_ID}/commit"


def _body(operation: Operation) -> dict[str, Any]:
    amount = {"unit": UNIT, "amount": _AMOUNT}
    if operation is Operation.COMMIT:
        metrics = {"tokens_input": 400, "tokens_output": 125, "latency_ms": 900}
        return {"actual": amount, "metrics": metrics}
    question = {
        "subject": dict.fromkeys(LEVELS, "bench"),
        "action": {"kind": "llm.completion", "name": "gpt-4o-mini"},
        "estimate": amount,
    }
    if operation is Operation.DECIDE:
        return question
    lease = {"ttl_ms": _TTL_MS, "grace_period_ms": 5_000, "overage_policy": "ALLOW_IF_AVAILABLE"}
    return {**question, **lease}
