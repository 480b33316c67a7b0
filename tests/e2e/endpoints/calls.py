"""One call of an endpoint without the proxy, then through it, and what the books say of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.ledger.records import Reservation
from simulator.behaviour import Behaviour
from simulator.bill import BillLine
from tests.e2e.stack import TOKENS, Stack, held, paid
from tests.e2e.wire import RawAnswer, answered, without_extra_chunk

HONEST = Behaviour()


@dataclass(frozen=True)
class Outcome:
    """`direct` is what the upstream sends to who calls it without a proxy.

    `expected` is what of that a caller of the proxy gets.
    """

    direct: RawAnswer
    expected: bytes
    through: RawAnswer
    row: Reservation
    bill: BillLine

    def assert_charged_by_bill(self) -> None:
        """What was charged is what the upstream asks for, in money and in tokens."""
        tokens = self.bill.input.prompt_tokens + self.bill.output.completion_tokens
        assert not self.row.estimated
        assert paid(self.row) == self.bill.amount_microcents
        assert paid(self.row, TOKENS) == tokens

    def assert_within_the_hold(self) -> None:
        """An honest upstream bills nothing that was not held."""
        self.assert_charged_by_bill()
        assert not any(self.row.uncovered.values())
        assert self.bill.amount_microcents <= held(self.row)
        assert paid(self.row, TOKENS) <= held(self.row, TOKENS)


async def run(
    stack: Stack, path: str, body: Mapping[str, Any], behaviour: Behaviour = HONEST
) -> Outcome:
    """The call in both ways, answered alike.

    The proxy asks for the usage of every stream, and takes it out again for who did not.
    """
    simulator = stack.simulator
    simulator.reset()
    simulator.behave(behaviour)
    asks = dict(body)
    adds_usage = body.get("stream") is True and "stream_options" not in body
    if adds_usage:
        asks["stream_options"] = {"include_usage": True}
    direct = await answered(simulator.address, asks, path=path)
    simulator.reset()
    calls = len(stack.log.events("call"))

    through = await answered(stack.base_url, body, path=path)

    await stack.log.until("call", calls + 1)
    (bill,) = simulator.bills
    expected = without_extra_chunk(direct.body) if adds_usage else direct.body
    return Outcome(direct, expected, through, (await stack.rows())[-1], bill)


async def refusal(stack: Stack, path: str, body: object) -> dict[str, Any]:
    """The error of a call that does not leave."""
    stack.simulator.reset()
    answer = await answered(stack.base_url, body, path=path)
    assert stack.simulator.requests_seen == []
    assert answer.status >= 400
    return answer.error()


def sent(stack: Stack) -> dict[str, Any]:
    """The body that the upstream got."""
    (seen,) = stack.simulator.requests_seen
    assert seen.body is not None
    found: dict[str, Any] = json.loads(seen.body)
    return found
