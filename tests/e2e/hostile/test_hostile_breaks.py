"""Answers that break off or fall silent, at every place where they can."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut, Hang, Refusal, Report, Wire
from simulator.server import Simulator
from tests.e2e.hostile.outcomes import (
    HIDDEN,
    STREAMS,
    VISIBLE,
    Charge,
    Mode,
    Outcome,
    body_of,
    expected_body,
    run,
)
from tests.e2e.stack import Stack, held, paid, running
from tests.e2e.wire import answered

pytestmark = pytest.mark.asyncio(loop_scope="module")

SILENCE_MS = 500


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A proxy that soon gives up on an upstream that says nothing."""
    async with Simulator() as simulator:
        upstream = {
            "name": "simulated",
            "base_url": simulator.base_url,
            "api_key": "none",
            "response_timeout_ms": SILENCE_MS,
            "idle_timeout_ms": SILENCE_MS,
        }
        folder = tmp_path_factory.mktemp("silence")
        async with running(folder, simulator, upstreams=[upstream]) as stack:
            yield stack


def assert_the_caller_sees_a_break(outcome: Outcome, mode: Mode) -> None:
    """A stream comes as far as it came, and does not look whole; of JSON there is nothing."""
    if mode is Mode.JSON:
        assert outcome.through is None
        return
    assert outcome.direct is not None
    assert outcome.through is not None
    assert not outcome.through.whole
    assert outcome.through.body == expected_body(mode, outcome.direct)


@pytest.mark.parametrize("by", ["close", "reset"])
@pytest.mark.parametrize("at", ["before_headers", "in_headers"])
@pytest.mark.parametrize("model", [VISIBLE, HIDDEN])
@pytest.mark.parametrize("mode", Mode)
async def test_without_a_status_nobody_knows(
    stack: Stack, model: str, mode: Mode, at: str, by: str
) -> None:
    cut = Cut(at=at, by=by)  # type: ignore[arg-type]

    outcome = await run(stack, mode, Behaviour(cut=cut, billed="in_full"), body_of(mode, model))

    outcome.assert_settled(Charge.UNCERTAIN)
    assert outcome.through is not None
    assert outcome.through.status == 502
    assert outcome.through.error()["code"] == "upstream_unreachable"


BEFORE_THE_FIRST_BYTE = [Cut(at="event", after=0), Cut(at="byte", after=0)]
IN_THE_MIDDLE = [
    Cut(at="event", after=1),
    Cut(at="event", after=2),
    Cut(at="event", after=9),
    Cut(at="in_event", after=0),
    Cut(at="in_event", after=5),
    Cut(at="byte", after=1),
    Cut(at="byte", after=700),
    Cut(at="byte", after=2_001),
]


def named(cut: Cut) -> str:
    return f"{cut.at} {cut.after}"


@pytest.mark.parametrize("cut", BEFORE_THE_FIRST_BYTE, ids=named)
@pytest.mark.parametrize("model", [VISIBLE, HIDDEN])
@pytest.mark.parametrize("mode", STREAMS)
async def test_a_stream_that_breaks_before_its_first_byte_is_uncertain(
    stack: Stack, model: str, mode: Mode, cut: Cut
) -> None:
    outcome = await run(stack, mode, Behaviour(cut=cut), body_of(mode, model))

    outcome.assert_settled(Charge.UNCERTAIN)
    assert_the_caller_sees_a_break(outcome, mode)


@pytest.mark.parametrize("cut", IN_THE_MIDDLE, ids=named)
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("mode", STREAMS)
async def test_a_stream_that_breaks_in_the_middle_is_counted(
    stack: Stack, mode: Mode, n: int, cut: Cut
) -> None:
    """Field-report 33, 35: what was delivered is charged."""
    behaviour = Behaviour(output_tokens=30, cut=cut)

    outcome = await run(stack, mode, behaviour, body_of(mode, n=n))

    outcome.assert_settled(Charge.COUNTED)
    assert_the_caller_sees_a_break(outcome, mode)


@pytest.mark.parametrize("cut", IN_THE_MIDDLE, ids=named)
async def test_what_a_model_hides_cannot_be_counted(stack: Stack, cut: Cut) -> None:
    behaviour = Behaviour(output_tokens=30, reasoning_tokens=120, cut=cut)

    outcome = await run(stack, Mode.STREAM, behaviour, body_of(Mode.STREAM, HIDDEN))

    outcome.assert_settled(Charge.UNCERTAIN)
    assert_the_caller_sees_a_break(outcome, Mode.STREAM)


AFTER_A_REPORT = [Cut(at="event", after=1), Cut(at="event", after=9), Cut(at="in_event", after=5)]


@pytest.mark.parametrize("cut", AFTER_A_REPORT, ids=named)
@pytest.mark.parametrize("mode", STREAMS)
async def test_a_report_from_the_middle_is_a_lower_bound(
    stack: Stack, mode: Mode, cut: Cut
) -> None:
    """What was counted says less than the report does, and the report less than the bill."""
    behaviour = Behaviour(
        extra_prompt_tokens=5_000, output_tokens=30, cut=cut, report=Report(place="every_event")
    )

    outcome = await run(stack, mode, behaviour, body_of(mode))

    row, unseen = outcome.row, 1_000 if cut.at == "in_event" else 0
    assert (row.state, row.estimated) == (State.COMMITTED, True)
    assert paid(row) >= outcome.bill.amount_microcents - unseen > held(row)
    assert_the_caller_sees_a_break(outcome, mode)


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize("model", [VISIBLE, HIDDEN])
@pytest.mark.parametrize("mode", STREAMS)
async def test_a_stream_that_said_done_is_complete_however_its_connection_ends(
    stack: Stack, model: str, mode: Mode, framing: str
) -> None:
    behaviour = Behaviour(cut=Cut(at="end"), wire=Wire(framing=framing))  # type: ignore[arg-type]

    outcome = await run(stack, mode, behaviour, body_of(mode, model))

    outcome.assert_settled(Charge.BILL)


@pytest.mark.parametrize("framing", ["chunked", "close"])
@pytest.mark.parametrize("cut", [Cut(at="event", after=3), Cut(at="in_event", after=3)], ids=named)
async def test_a_break_is_seen_in_every_framing(stack: Stack, framing: str, cut: Cut) -> None:
    behaviour = Behaviour(output_tokens=9, cut=cut, wire=Wire(framing=framing))  # type: ignore[arg-type]

    outcome = await run(stack, Mode.STREAM, behaviour, body_of(Mode.STREAM))

    outcome.assert_settled(Charge.COUNTED)
    assert_the_caller_sees_a_break(outcome, Mode.STREAM)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize(
    "cut",
    [
        Cut(at="byte", after=0),
        Cut(at="byte", after=1),
        Cut(at="byte", after=90),
        Cut(at="in_event", after=0),
        Cut(at="in_event", after=0, by="reset"),
    ],
    ids=lambda cut: f"{named(cut)} {cut.by}",
)
async def test_a_json_answer_that_breaks_is_uncertain(stack: Stack, cut: Cut, framing: str) -> None:
    """Elsewhere it is free: the whole of it was generated before its first byte was sent."""
    wire = Wire(framing=framing, compression="identity")  # type: ignore[arg-type]

    outcome = await run(stack, Mode.JSON, Behaviour(cut=cut, wire=wire), body_of(Mode.JSON))

    outcome.assert_settled(Charge.UNCERTAIN)
    assert outcome.through is None


@pytest.mark.parametrize("compression", ["gzip", "deflate", "br", "zstd"])
async def test_a_compressed_json_answer_that_breaks_is_uncertain(
    stack: Stack, compression: str
) -> None:
    wire = Wire(framing="close", compression=compression)  # type: ignore[arg-type]
    behaviour = Behaviour(cut=Cut(at="in_event", after=0), wire=wire)

    outcome = await run(stack, Mode.JSON, behaviour, body_of(Mode.JSON))

    outcome.assert_settled(Charge.UNCERTAIN)


@pytest.mark.parametrize(
    ("status", "charge"), [(500, Charge.UNCERTAIN), (503, Charge.UNCERTAIN), (400, Charge.NOTHING)]
)
async def test_an_error_that_breaks_off(stack: Stack, status: int, charge: Charge) -> None:
    """Only a complete 5xx says that nothing was done; a 4xx says it with its status."""
    behaviour = Behaviour(refusal=Refusal(status=status), cut=Cut(at="in_event", after=0))

    outcome = await run(stack, Mode.JSON, behaviour, body_of(Mode.JSON))

    outcome.assert_settled(charge)


@pytest.mark.parametrize("mode", Mode)
async def test_an_upstream_that_never_says_a_status_is_given_up(
    impatient: Stack, mode: Mode
) -> None:
    hangs = Behaviour(hang=Hang(at="before_headers"))
    breaks = Behaviour(cut=Cut(at="before_headers"))

    outcome = await run(impatient, mode, hangs, body_of(mode), directly=breaks)

    outcome.assert_settled(Charge.UNCERTAIN)
    assert outcome.through is not None
    assert outcome.through.status == 504
    assert outcome.through.error()["code"] == "upstream_timeout"


@pytest.mark.parametrize(
    ("mode", "model", "after", "charge"),
    [
        (Mode.JSON, VISIBLE, 0, Charge.UNCERTAIN),
        (Mode.STREAM, VISIBLE, 0, Charge.UNCERTAIN),
        (Mode.STREAM, VISIBLE, 4, Charge.COUNTED),
        (Mode.STREAM_WITH_USAGE, VISIBLE, 4, Charge.COUNTED),
        (Mode.STREAM, HIDDEN, 4, Charge.UNCERTAIN),
    ],
)
async def test_an_answer_that_falls_silent_has_broken_off(
    impatient: Stack, mode: Mode, model: str, after: int, charge: Charge
) -> None:
    hangs = Behaviour(output_tokens=30, hang=Hang(at="event", after=after))
    breaks = Behaviour(output_tokens=30, cut=Cut(at="event", after=after))

    outcome = await run(impatient, mode, hangs, body_of(mode, model), directly=breaks)

    outcome.assert_settled(charge)
    assert_the_caller_sees_a_break(outcome, mode)


@pytest.mark.parametrize("mode", STREAMS)
async def test_a_stream_that_said_done_and_stays_open_is_complete(
    impatient: Stack, mode: Mode
) -> None:
    hangs, breaks = Behaviour(hang=Hang(at="end")), Behaviour(cut=Cut(at="end"))

    outcome = await run(impatient, mode, hangs, body_of(mode), directly=breaks)

    outcome.assert_settled(Charge.BILL)


async def test_a_model_may_think_for_longer_than_it_may_fall_silent(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """One call falls silent and is given up; another, that came before it, still waits for its
    status: the limit of silence begins with that."""
    folder = tmp_path_factory.mktemp("thinking")
    async with Simulator() as simulator:
        upstream = {
            "name": "simulated",
            "base_url": simulator.base_url,
            "api_key": "none",
            "idle_timeout_ms": SILENCE_MS,
        }
        async with (
            running(folder, simulator, upstreams=[upstream]) as stack,
            asyncio.TaskGroup() as tasks,
        ):
            simulator.script(Behaviour(gate="thought"), Behaviour(hang=Hang(at="event", after=2)))
            thinking = tasks.create_task(answered(stack.base_url, body_of(Mode.JSON)))
            await simulator.until(lambda: simulator.in_flight == 1)
            silent = await answered(stack.base_url, body_of(Mode.STREAM))
            simulator.open_gate("thought")
            thought = await thinking

        assert not silent.whole
        assert thought.status == 200
        assert thought.whole
