"""When an operation is tried again, as a table; and what its request looks like."""

import hiredis
import pytest

from proxy.ledger.redis.call import Call, Step
from proxy.ledger.redis.wire.faults import Fault, Remedy, StoreRefused
from tests.ledger.redis.scripts import ECHO, KEYS


def call() -> Call:
    return Call(ECHO, KEYS, ["a", 2**63 - 1, b"\xff"], due_ms=1)


def parts(packed: bytes) -> list[list[bytes]]:
    reader = hiredis.Reader()
    reader.feed(packed)
    return [command for _ in range(2) if (command := reader.gets())]


@pytest.mark.parametrize(
    ("remedies", "steps"),
    [
        ([Remedy.SEND_SOURCE] * 2, [Step.AGAIN, Step.GIVE_UP]),
        ([Remedy.WAIT] * 2, [Step.WAIT, Step.GIVE_UP]),
        ([Remedy.RECONNECT] * 2, [Step.RECONNECT, Step.GIVE_UP]),
        ([Remedy.RECONNECT, Remedy.WAIT], [Step.RECONNECT, Step.GIVE_UP]),
        ([Remedy.WAIT, Remedy.RECONNECT], [Step.WAIT, Step.GIVE_UP]),
        ([Remedy.CHANGE_SERVER], [Step.GIVE_UP]),
        ([Remedy.NONE], [Step.GIVE_UP]),
        ([Remedy.FOLLOW] * 6, [Step.FOLLOW] * 5 + [Step.GIVE_UP]),
        ([Remedy.FOLLOW_ONCE] * 6, [Step.FOLLOW] * 5 + [Step.GIVE_UP]),
        (
            [Remedy.RECONNECT, Remedy.FOLLOW, Remedy.SEND_SOURCE, Remedy.FOLLOW_ONCE, Remedy.WAIT],
            [Step.RECONNECT, Step.FOLLOW, Step.AGAIN, Step.FOLLOW, Step.GIVE_UP],
        ),
    ],
)
def test_a_lost_reply_costs_the_one_try_and_being_sent_on_does_not(
    remedies: list[Remedy], steps: list[Step]
) -> None:
    tried = call()
    assert [tried.learn(Fault("why", remedy)) for remedy in remedies] == steps


def test_a_server_that_was_never_sent_a_script_gets_its_source() -> None:
    known: set[str] = set()
    first, second = call().request(known), call().request(known)
    tail = [b"2", *map(str.encode, KEYS), b"a", b"9223372036854775807", b"\xff"]
    assert parts(first) == [[b"EVAL", ECHO.source.encode(), *tail]]
    assert parts(second) == [[b"EVALSHA", ECHO.sha1.encode(), *tail]]


def test_a_server_that_forgot_a_script_gets_its_source_again() -> None:
    tried = call()
    tried.learn(Fault("forgot", Remedy.SEND_SOURCE))
    assert parts(tried.request({ECHO.sha1}))[0][0] == b"EVAL"


def test_only_the_next_attempt_asks_for_a_key_on_the_move() -> None:
    tried = call()
    tried.learn(Fault("moving", Remedy.FOLLOW_ONCE))
    assert [command[0] for command in parts(tried.request({ECHO.sha1}))] == [b"ASKING", b"EVALSHA"]
    assert tried.replies == 2
    tried.learn(Fault("apart", Remedy.WAIT))
    assert [command[0] for command in parts(tried.request({ECHO.sha1}))] == [b"EVALSHA"]
    assert tried.replies == 1


@pytest.mark.parametrize("argument", [None, True, 1.5j, ["a"], "\ud800"])
def test_an_argument_without_a_place_in_a_request_is_refused(argument: object) -> None:
    known: set[str] = set()
    with pytest.raises((TypeError, ValueError)):
        Call(ECHO, KEYS, [argument], due_ms=1).request(known)  # type: ignore[list-item]
    assert not known


def test_what_may_have_been_applied_once_stays_so() -> None:
    tried = call()
    assert not tried.error(Fault("gone", Remedy.RECONNECT)).may_have_applied
    tried.learn(Fault("lost", Remedy.RECONNECT, may_have_applied=True))
    full = Fault("full", Remedy.CHANGE_SERVER)
    tried.learn(full)
    error = tried.error(full)
    assert isinstance(error, StoreRefused)
    assert error.may_have_applied
    assert error.why == "full"


def test_the_failure_of_a_script_names_its_file() -> None:
    fault = Fault("a script failed: user_script:1: no", Remedy.NONE, may_have_applied=True)
    assert call().error(fault).why == "a script failed: echo.lua:1: no"
