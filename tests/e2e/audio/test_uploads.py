"""Large files go from one socket to the other, and nobody in between has them whole."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from proxy.domain.reservation import State
from proxy.gateway.hearing.intake import HELD_BYTES
from simulator.server import Simulator
from tests.dialects.wire.forms import content_type, field, file, form
from tests.e2e.audio.calls import FORM, TRANSCRIPTIONS, upload, wav
from tests.e2e.audio.sink import ANSWER, REFUSAL, Sink, sinking
from tests.e2e.stack import Stack, paid, running
from tests.e2e.wire import (
    PATIENCE_S,
    Connection,
    RawAnswer,
    chunked,
    connected,
    read_answer,
    request_bytes,
)

MODEL = {"model": "whisper-1"}
SOUND = wav(30)
BODY = upload(SOUND, MODEL)
HEAD = request_bytes(b"", FORM, f"Content-Length: {len(BODY)}", path=TRANSCRIPTIONS, length=False)
CHUNKED = request_bytes(b"", FORM, "Transfer-Encoding: chunked", path=TRANSCRIPTIONS, length=False)


_TURNS = 5_000
"""Of the loop: many more than all of a file takes."""


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with sinking() as started:
        yield started


@pytest.fixture
async def stack(tmp_path: Path, sink: Sink) -> AsyncIterator[Stack]:
    upstream = {"name": "sink", "base_url": sink.base_url, "api_key": "none"}
    limits = {"max_body_bytes": 30_000_000, "body_timeout_ms": 2_000}
    async with (
        Simulator() as simulator,
        running(tmp_path, simulator, upstreams=[upstream], limits=limits) as started,
    ):
        yield started


async def sent(stack: Stack, data: bytes) -> RawAnswer:
    """One request, and what is answered, even if that is before all of it was sent."""
    async with connected(stack.base_url) as connection:
        sending = asyncio.create_task(connection.send(data))
        answer = read_answer(await connection.read_all())
        await asyncio.gather(sending, return_exceptions=True)
    assert answer is not None
    return answer


async def settled(stack: Stack, state: State) -> None:
    """The one hold has ended so."""
    await stack.log.until("call")
    assert (await stack.row()).state is state
    open_amount = (await stack.row()).amounts if state is State.UNCERTAIN else {}
    assert (await stack.balance()).reserved == sum(
        amount for unit, amount in open_amount.items() if unit == "USD_MICROCENTS"
    )


@pytest.mark.parametrize(
    "data", [HEAD + BODY, CHUNKED + chunked(BODY[:100], BODY[100:])], ids=["length", "chunks"]
)
async def test_every_byte_arrives_framed_as_it_came(stack: Stack, sink: Sink, data: bytes) -> None:
    answer = await sent(stack, data)

    taken = await sink.until_over()
    assert (answer.status, answer.body) == (200, ANSWER)
    assert taken.is_whole
    assert taken.digest == sha256(BODY).hexdigest()
    is_chunked = data.startswith(CHUNKED)
    assert ("transfer-encoding: chunked" in taken.head.lower()) is is_chunked
    assert (f"content-length: {len(BODY)}" in taken.head.lower()) is not is_chunked
    await settled(stack, State.COMMITTED)
    assert paid(await stack.row()) == 7 * 10_000


async def test_twenty_megabytes_are_never_in_memory(stack: Stack, sink: Sink) -> None:
    """Counted is what is allocated, by the caller, the proxy and the upstream together."""
    begin, _, end = upload(b"\0|\0", MODEL).partition(b"\0|\0")
    size, piece = 20_000_000, bytes(50_000)
    length = len(begin) + size + len(end)
    headers = (FORM, f"Content-Length: {length}")
    await sent(stack, HEAD + BODY)  # so that all that is loaded once has been
    tracemalloc.start()
    try:
        async with connected(stack.base_url) as connection:
            head = request_bytes(b"", *headers, path=TRANSCRIPTIONS, length=False)
            await connection.send(head + begin)
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(size // len(piece)):
                await connection.send(piece)
            await connection.send(end)
            answer = read_answer(await connection.read_all())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert answer is not None
    assert answer.status == 200
    assert (await sink.until_over()).body_bytes == length
    assert peak - before < size // 4


async def test_a_caller_is_not_heard_faster_than_the_upstream_takes(
    stack: Stack, sink: Sink
) -> None:
    sink.goes_on.clear()
    begin, _, end = upload(b"\0|\0", MODEL).partition(b"\0|\0")
    length = len(begin) + 25_000_000 + len(end)
    async with connected(stack.base_url) as connection:
        headers = (FORM, f"Content-Length: {length}")
        await connection.send(
            request_bytes(b"", *headers, path=TRANSCRIPTIONS, length=False) + begin
        )
        sending = asyncio.create_task(connection.send(bytes(25_000_000) + end))
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        assert not sending.done()
        sink.goes_on.set()
        await sending
        answer = read_answer(await connection.read_all())

    assert answer is not None
    assert answer.status == 200
    assert sink.taken[-1].is_whole


async def hang_up_after(stack: Stack, data: bytes) -> None:
    """Send so much, and leave."""
    async with connected(stack.base_url) as connection:
        await connection.send(data)
        connection.hang_up()


async def test_who_leaves_in_the_middle_of_a_file_ends_the_upload_and_keeps_the_hold(
    stack: Stack, sink: Sink
) -> None:
    async with connected(stack.base_url) as connection:
        await connection.send(HEAD + BODY[:700_000])
        await sink.until_taken(600_000)
        connection.hang_up()
        taken = await sink.until_over()

    assert not taken.is_whole
    await settled(stack, State.UNCERTAIN)


@pytest.mark.parametrize("part", range(0, 100, 7))
async def test_left_anywhere_nothing_is_free_and_nothing_is_held_for_nothing(
    stack: Stack, sink: Sink, part: int
) -> None:
    await hang_up_after(stack, HEAD + BODY[: len(BODY) * part // 100])
    await stack.log.until("call")

    rows = await stack.rows()
    has_left = bool(sink.taken)
    assert [row.state for row in rows] in ([], [State.UNCERTAIN if has_left else State.RELEASED])
    assert not any(taken.is_whole for taken in sink.taken)
    assert part * len(BODY) > 100 * HELD_BYTES or not rows


async def test_an_answer_before_the_end_is_heard_at_once(stack: Stack, sink: Sink) -> None:
    sink.refuses_at = 300_000
    answer = await sent(stack, HEAD + BODY)

    assert (answer.status, answer.body) == (413, REFUSAL)
    assert not (await sink.until_over()).is_whole
    await settled(stack, State.RELEASED)


async def test_a_field_behind_the_file_that_may_cost_is_too_late(stack: Stack, sink: Sink) -> None:
    late = form([field("model", "whisper-1"), file("file", SOUND), field("prompt", "More.")])
    answer = await sent(stack, request_bytes(late, FORM, path=TRANSCRIPTIONS))

    assert answer.status == 400
    assert "before the file" in answer.error()["message"]
    assert not (await sink.until_over()).is_whole
    await settled(stack, State.UNCERTAIN)


@pytest.mark.parametrize("again", [field("model", "gpt-4o-transcribe"), file("file", b"more")])
async def test_nothing_comes_twice(stack: Stack, sink: Sink, again: bytes) -> None:
    twice = form([field("model", "whisper-1"), file("file", SOUND), again])
    answer = await sent(stack, request_bytes(twice, FORM, path=TRANSCRIPTIONS))

    assert answer.status == 400
    assert not any(taken.is_whole for taken in sink.taken)


async def test_a_field_behind_the_file_that_costs_nothing_may_come(
    stack: Stack, sink: Sink
) -> None:
    parts = [field("model", "whisper-1"), file("file", SOUND), field("language", "en")]
    answer = await sent(stack, request_bytes(form(parts), FORM, path=TRANSCRIPTIONS))

    assert answer.status == 200
    assert sink.taken[-1].is_whole


async def test_a_form_that_says_its_model_last_is_kept_until_then(stack: Stack, sink: Sink) -> None:
    parts = [file("file", SOUND), field("prompt", "More."), field("model", "whisper-1")]
    answer = await sent(stack, request_bytes(form(parts), FORM, path=TRANSCRIPTIONS))

    assert answer.status == 200
    assert sink.taken[-1].digest == sha256(form(parts)).hexdigest()


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunks"])
async def test_a_form_that_is_too_large_does_not_arrive(
    stack: Stack, sink: Sink, *, is_chunked: bool
) -> None:
    large = upload(bytes(30_000_000), MODEL)
    data = CHUNKED + chunked(large) if is_chunked else request_bytes(
        large, FORM, path=TRANSCRIPTIONS
    )  # fmt: skip
    answer = await sent(stack, data)

    assert answer.status == 413
    assert not any(taken.is_whole for taken in sink.taken)


async def test_a_caller_who_stops_sending_is_waited_for_so_long(stack: Stack, sink: Sink) -> None:
    async with connected(stack.base_url) as connection:
        await connection.send(HEAD + BODY[:500_000])
        answer = await _until_answered(connection)

    assert answer.status == 408
    assert not (await sink.until_over()).is_whole
    await settled(stack, State.UNCERTAIN)


async def _until_answered(connection: Connection) -> RawAnswer:
    async with asyncio.timeout(PATIENCE_S):
        answer = read_answer(await connection.read_all())
    assert answer is not None
    return answer


async def test_files_that_cost_nothing_pass_the_same_way(stack: Stack, sink: Sink) -> None:
    answer = await sent(stack, request_bytes(BODY, FORM, path="/v1/files"))

    assert (answer.status, answer.body) == (200, ANSWER)
    assert sink.taken[-1].digest == sha256(BODY).hexdigest()
    assert await stack.rows() == ()


async def test_a_stand_in_is_written_into_the_form(tmp_path: Path, sink: Sink) -> None:
    upstream = {"name": "sink", "base_url": sink.base_url, "api_key": "none"}
    policy = {"name": "cheap", "scope": "tenant:*", "models": {"whisper-1": "gpt-transcribe"}}
    async with (
        Simulator() as simulator,
        running(tmp_path, simulator, upstreams=[upstream], policies=[policy]) as stack,
    ):
        answer = await sent(stack, HEAD + BODY)

    changed = BODY.replace(b"whisper-1", b"gpt-transcribe", 1)
    assert answer.status == 200
    assert sink.taken[-1].digest == sha256(changed).hexdigest()
    assert f"content-length: {len(changed)}" in sink.taken[-1].head.lower()


async def test_a_form_that_is_sent_again_with_another_boundary_is_the_same_call(
    tmp_path: Path, sink: Sink
) -> None:
    """As SDKs send it again: each request draws a boundary of its own."""
    upstream = {"name": "sink", "base_url": sink.base_url, "api_key": "none"}
    window = {"window_ms": 600_000}
    key = "Idempotency-Key: one"
    parts = [field("model", "whisper-1"), file("file", SOUND)]
    async with (
        Simulator() as simulator,
        running(tmp_path, simulator, upstreams=[upstream], dedupe=window) as stack,
    ):
        answers = [
            await sent(
                stack,
                request_bytes(
                    form(parts, boundary=boundary),
                    f"Content-Type: {content_type(boundary)}",
                    key,
                    path=TRANSCRIPTIONS,
                ),
            )
            for boundary in ("first", "second")
        ]

    assert [answer.body for answer in answers] == [ANSWER, ANSWER]
    assert len(sink.taken) == 1
