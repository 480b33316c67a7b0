"""What is remembered of an answer: all of it, or nothing."""

from collections.abc import Callable, Mapping

import pytest

from proxy.gateway.dedupe.recording import Recording


class CallersDoor:
    """A caller who may leave."""

    method, path, query = "POST", "/v1/chat/completions", ""
    headers: tuple[tuple[str, str], ...] = (("Accept-Encoding", "gzip"), ("X-Other", "1"))

    def __init__(self) -> None:
        self.gone = False
        self.heard = b""

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    async def body(self) -> bytes:
        raise AssertionError("it was read before")

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.heard += body

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """The head is not looked at."""

    async def write(self, data: bytes) -> None:
        self.heard += data

    def break_off(self) -> None:
        """Nothing more is heard."""

    def when_gone(self, react: Callable[[], None]) -> None:
        """Nobody asks."""


@pytest.fixture
def door() -> CallersDoor:
    return CallersDoor()


def recording(door: CallersDoor, max_bytes: int = 10_000) -> Recording:
    return Recording(door, b"{}", max_bytes)


async def streamed(recorded: Recording) -> None:
    await recorded.start(200, {"X-A": "1", "X-RateLimit-Remaining": "3", "Retry-After": "1"})
    await recorded.write(b"one ")
    await recorded.write(b"two")


async def test_a_stream_is_remembered_in_one_piece_without_what_was_true_then(
    door: CallersDoor,
) -> None:
    recorded = recording(door)
    await streamed(recorded)

    answer = recorded.whole()
    assert answer is not None
    assert (answer.status, answer.headers, answer.body) == (200, {"X-A": "1"}, b"one two")
    assert door.heard == b"one two"


async def test_a_stream_that_nobody_heard_to_its_end_is_not(door: CallersDoor) -> None:
    recorded = recording(door)
    await streamed(recorded)
    door.gone = True

    assert recorded.whole() is None


async def test_an_answer_in_one_piece_is_whole_whoever_hears_it(door: CallersDoor) -> None:
    recorded = recording(door)
    door.gone = True
    recorded.answer(200, {}, b"{}")

    answer = recorded.whole()
    assert answer is not None
    assert answer.body == b"{}"


async def test_an_answer_that_broke_off_or_never_began_is_not_whole(door: CallersDoor) -> None:
    assert recording(door).whole() is None
    recorded = recording(door)
    await streamed(recorded)
    recorded.break_off()

    assert recorded.whole() is None


async def test_an_answer_that_is_too_long_is_passed_on_and_not_kept(door: CallersDoor) -> None:
    recorded = recording(door, max_bytes=518)
    await streamed(recorded)

    assert recorded.whole() is None
    assert door.heard == b"one two"


async def test_the_upstream_is_asked_for_plain_bytes_by_the_body_that_was_read(
    door: CallersDoor,
) -> None:
    recorded = recording(door)

    assert recorded.header("accept-encoding") is None
    assert recorded.headers == (("X-Other", "1"),)
    assert await recorded.body() == b"{}"
