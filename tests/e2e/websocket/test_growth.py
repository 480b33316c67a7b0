"""Responses that outgrow their hold: they grow it, or end as one that reached its limit."""

from pathlib import Path
from typing import Any

from proxy.ledger.records import FundOperation
from simulator.behaviour import Behaviour, Wire
from simulator.server import Simulator
from tests.e2e.stack import TOKENS, USD, charged
from tests.e2e.streams.cutting import EAGER, LOOKAHEAD, OF_ALL_TOKENS
from tests.e2e.websocket.sockets import ASK, opened, serving_sockets, text_of

LEARNED: dict[str, Any] = {
    "hold": "learned",
    "learning": {**EAGER, "lookahead_tokens": LOOKAHEAD},
    "budgets": [
        {"scope": "tenant:dev", "allocated": "$100.00", "period": "none"},
        {"scope": "tenant:dev", "unit": "TOKENS", "allocated": 10**8, "period": "none"},
    ],
}
LONG = ASK | {"max_output_tokens": 2_000}


async def test_a_response_that_the_budget_has_no_room_for_is_cut_and_its_socket_stays(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with serving_sockets(tmp_path, simulator, **LEARNED) as stack, opened(stack) as caller:
        simulator.behave(Behaviour(output_tokens=30))
        await caller.ask(LONG)
        (known,) = await stack.rows()
        room = charged(known, TOKENS) + known.amounts[TOKENS] - 2_000 + 30 + 2 * LOOKAHEAD
        await stack.books.fund(OF_ALL_TOKENS, FundOperation.RESET, room, actor="test")
        simulator.behave(Behaviour(output_tokens=500, wire=Wire(pace_ms=1)))
        events = await caller.ask(LONG)
        await stack.log.until("call", 3)
        await simulator.until(lambda: simulator.in_flight == 0)
        cut = (await stack.rows())[-1]
        line = simulator.bills[-1]
        await stack.books.fund(OF_ALL_TOKENS, FundOperation.RESET, 10**8, actor="test")
        simulator.behave(Behaviour(output_tokens=20))
        *_, after = await caller.ask(LONG)
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert 0 < len(text_of(events).split()) < 500
    assert cut.estimated
    assert not any(cut.uncovered.values())
    assert charged(cut, TOKENS) <= cut.amounts[TOKENS]
    assert charged(cut, USD) <= cut.amounts[USD]
    # It was asked to end, and ended: a few tokens later, and on the same socket.
    assert line.outcome == "cut"
    assert line.output.completion_tokens < 100
    assert after["type"] == "response.completed"
    assert sum(seen.method == "GET" for seen in simulator.requests_seen) == 1


async def test_a_response_that_the_budget_has_room_for_grows_its_hold(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with serving_sockets(tmp_path, simulator, **LEARNED) as stack, opened(stack) as caller:
        simulator.behave(Behaviour(output_tokens=30))
        await caller.ask(LONG)
        simulator.behave(Behaviour(output_tokens=300, wire=Wire(pace_ms=1)))
        *_, last = await caller.ask(LONG)
        assert last["response"]["usage"]["output_tokens"] == 300
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)
