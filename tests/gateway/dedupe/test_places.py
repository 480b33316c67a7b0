"""How long keys are known, and how much memory they take."""

import asyncio

from proxy.gateway.dedupe.places import OF_A_PLACE, DedupeRules, Place, Places
from proxy.gateway.respond import Answer

HOUR_MS = 3_600_000
BODY_BYTES = 1_000


def ended(body_bytes: int = BODY_BYTES) -> Place:
    answer = Answer(200, {}, b"x" * body_bytes)
    return Place("of a body", "nonce", is_running=False, answer=answer)


def room_for(count: int, window_ms: int = HOUR_MS) -> DedupeRules:
    return DedupeRules(window_ms, count * (OF_A_PLACE + BODY_BYTES))


async def test_the_oldest_answers_go_first() -> None:
    places = Places()
    for name in ("a", "b", "c", "d"):
        places.keep(name, ended(), room_for(2))

    assert [name for name in ("a", "b", "c", "d") if places.find(name)] == ["c", "d"]


async def test_what_goes_makes_room_and_no_more_than_it_took() -> None:
    places = Places()
    places.keep("a", ended(), room_for(2))
    places.drop("a")
    places.drop("a")
    for name in ("b", "c", "d"):
        places.keep(name, ended(), room_for(2))

    assert [name for name in ("a", "b", "c", "d") if places.find(name)] == ["c", "d"]


async def test_a_call_that_runs_is_not_forgotten() -> None:
    places = Places()
    running = Place("of a body", "nonce")
    places.begin("running", running)
    for name in ("a", "b", "c"):
        places.keep(name, ended(), room_for(1))

    assert places.find("running") is running
    assert places.find("b") is None


async def test_a_call_that_runs_again_has_the_room_of_its_first_try_back() -> None:
    places = Places()
    again = Place("of a body", "nonce", is_running=False)
    places.keep("again", again, room_for(1))
    places.begin("again", again)
    places.keep("other", ended(), room_for(1))

    assert places.find("other") is not None
    assert (again.is_running, places.find("again")) == (True, again)


async def test_an_answer_beyond_all_memory_is_not_kept() -> None:
    places = Places()
    places.keep("small", ended(), room_for(2))
    places.keep("large", ended(3 * BODY_BYTES), room_for(2))

    assert places.find("large") is None


async def test_after_its_window_a_key_is_forgotten_and_not_before() -> None:
    loop = asyncio.get_running_loop()
    places = Places()
    over = loop.create_future()
    places.keep("soon", ended(), room_for(9, window_ms=1))
    places.keep("later", ended(), room_for(9))
    assert len(places) == 2
    loop.call_later(0.002, over.set_result, None)
    await over

    assert places.find("soon") is None
    assert places.find("later") is not None
