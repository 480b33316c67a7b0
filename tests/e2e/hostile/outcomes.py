"""One call against an upstream that misbehaves: what the caller got, what the ledger says."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from proxy.domain.reservation import State
from proxy.ledger.records import Reservation
from simulator.behaviour import Behaviour
from simulator.bill import BillLine
from tests.e2e.stack import Stack, held, paid
from tests.e2e.wire import RawAnswer, call, without_extra_chunk

VISIBLE = "gpt-4o"
"""Bills nothing but what it shows."""

HIDDEN = "gpt-5-mini"
"""Bills reasoning that nobody sees."""


class Mode(StrEnum):
    """How an answer is asked for."""

    JSON = "json"
    STREAM = "stream"
    STREAM_WITH_USAGE = "stream with usage"


STREAMS = (Mode.STREAM, Mode.STREAM_WITH_USAGE)


class Charge(StrEnum):
    """What an outcome does to its hold: docs/semantics.md, "Settlement by outcome"."""

    BILL = "charged by the bill"
    COUNTED = "charged by count, estimated"
    HOLD = "charged in full, estimated"
    NOTHING = "given back"
    UNCERTAIN = "uncertain"

    @property
    def state(self) -> State:
        """Where the hold stands in the end."""
        return {
            Charge.NOTHING: State.RELEASED,
            Charge.UNCERTAIN: State.UNCERTAIN,
        }.get(self, State.COMMITTED)


@dataclass(frozen=True)
class Outcome:
    """What became of one call. `direct` is what the upstream sends without a proxy."""

    direct: RawAnswer | None
    through: RawAnswer | None
    row: Reservation
    bill: BillLine

    def assert_settled(self, charge: Charge) -> None:
        """The hold stands as it should, and the ledger is never in favour of free."""
        row, bill = self.row, self.bill.amount_microcents
        assert row.state is charge.state
        match charge:
            case Charge.BILL:
                assert (paid(row), row.estimated) == (bill, False)
            case Charge.COUNTED:
                assert row.estimated
                assert bill <= paid(row) < held(row)
            case Charge.HOLD:
                assert row.estimated
                assert paid(row) == held(row) >= bill
            case Charge.NOTHING:
                assert paid(row) == bill == 0
            case Charge.UNCERTAIN:
                assert paid(row) == 0
                assert held(row) >= bill


def body_of(mode: Mode, model: str = VISIBLE, **asked: Any) -> dict[str, Any]:
    """A call, by default one with a limit."""
    limit = "max_tokens" if model == VISIBLE else "max_completion_tokens"
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": "Say something."}],
        limit: 200,
    }
    if mode is not Mode.JSON:
        body["stream"] = True
    if mode is Mode.STREAM_WITH_USAGE:
        body["stream_options"] = {"include_usage": True}
    return body | asked


async def run(
    stack: Stack,
    mode: Mode,
    behaviour: Behaviour,
    body: Mapping[str, Any],
    *headers: str,
    directly: Behaviour | None = None,
) -> Outcome:
    """The call without the proxy, as the proxy would send it, then through it.

    `directly`: what the upstream does without the proxy, where it would never end.
    """
    simulator = stack.simulator
    simulator.reset()
    simulator.behave(directly or behaviour)
    asked = dict(body)
    if mode is Mode.STREAM:
        asked["stream_options"] = {"include_usage": True}
    direct = await call(simulator.address, asked, *headers)
    simulator.reset()
    simulator.behave(behaviour)
    calls = len(stack.log.events("call"))

    through = await call(stack.base_url, body, *headers)

    await stack.log.until("call", calls + 1)
    (bill,) = simulator.bills
    return Outcome(direct, through, (await stack.rows())[-1], bill)


def expected_body(mode: Mode, direct: RawAnswer, line_end: bytes = b"\n") -> bytes:
    """What a caller gets of what the upstream sent: all, or all but the chunk for our usage."""
    if mode is not Mode.STREAM:
        return direct.body
    return without_extra_chunk(direct.body, line_end)
