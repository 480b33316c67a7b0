"""Makes each call once for its key, or answers what was answered before."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

import msgspec
from msgspec.structs import replace

from proxy.dialects.wire.form import boundary_of, is_form
from proxy.domain.clock import Clock
from proxy.domain.errors import Reason, Refused
from proxy.gateway.dedupe.places import DedupeRules, Place, Places
from proxy.gateway.dedupe.recording import Recording
from proxy.gateway.ending import Outcome
from proxy.gateway.identify import Caller, CallKey
from proxy.gateway.respond import Answer
from proxy.gateway.runtime.door import ClientGone, Door
from proxy.gateway.runtime.headers import CREDENTIALS
from proxy.gateway.runtime.record import CallRecord

HEADER: Final = "Idempotency-Key"

Run = Callable[[Door, Caller], Awaitable[None]]


class Dedupe:
    """Runs each call once for its key."""

    def __init__(
        self, places: Places, rules: DedupeRules, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        """A window of 0 turns it off: keys then mean nothing here."""
        self._places = places
        self._rules = rules
        self._clock = clock
        self._new_id = new_id

    async def run(self, run: Run, door: Door, caller: Caller, record: CallRecord) -> None:
        """Make the call, or answer what it was answered before.

        Raises:
            Refused: IDEMPOTENCY_MISMATCH, IDEMPOTENCY_ANSWER_GONE, and what `run` raises.
            ClientGone: the caller left while it waited for the first call.
        """
        key = door.header(HEADER)
        if not self._rules.window_ms or not key:
            await run(door, caller)
            return
        body = await door.body()
        name, fingerprint = _name_of(door, caller, key), _fingerprint(door, body)
        while (place := self._places.find(name)) is not None:
            if place.is_unused:
                place.fingerprint = fingerprint
            if place.fingerprint != fingerprint:
                raise mismatch()
            if place.answer is not None:
                _replay(place.answer, door, record)
                return
            if not place.is_running:
                break
            await self._wait(place, door, record)
        place = place or Place(fingerprint, self._new_id())
        await self._make(
            run, name, place, Recording(door, body, self._rules.max_bytes), caller, record
        )

    async def _make(
        self,
        run: Run,
        name: str,
        place: Place,
        door: Recording,
        caller: Caller,
        record: CallRecord,
    ) -> None:
        """Make the call under its key, and keep what comes of it."""
        self._places.begin(name, place)
        key = CallKey(name, place.attempt, place.fingerprint, place.nonce)
        try:
            await run(door, replace(caller, key=key))
        finally:
            place.is_running = False
            place.answer = door.whole() if record.outcome == Outcome.COMPLETE else None
            if place.answer is None:
                place.attempt += record.attempts
            if place.answer is not None or _cost_nothing(record):
                self._places.keep(name, place, self._rules)
            else:
                self._places.drop(name)
            for news in place.waiting:
                news.set()

    async def _wait(self, place: Place, door: Door, record: CallRecord) -> None:
        """Until the first call has ended. That is the upstream's time, not ours."""
        news = asyncio.Event()
        place.waiting.add(news)
        door.when_gone(news.set)
        record.sent_ns = record.sent_ns or self._clock.monotonic_ns()
        try:
            await news.wait()
        finally:
            place.waiting.discard(news)
            record.answered_ns = self._clock.monotonic_ns()
        if door.gone:
            raise ClientGone


def answer_gone() -> Refused:
    """The call was made under this key, and what was answered is not here any more."""
    return Refused(
        Reason.IDEMPOTENCY_ANSWER_GONE,
        "A call with this Idempotency-Key was made before, and its answer is not kept any more "
        "(dedupe). It was not made again. Do not retry.",
    )


def mismatch() -> Refused:
    """The key was used for another call."""
    return Refused(
        Reason.IDEMPOTENCY_MISMATCH,
        "This Idempotency-Key was used before, with another body. Do not retry.",
    )


def _replay(answer: Answer, door: Door, record: CallRecord) -> None:
    headers = {**answer.headers, "X-Budget-Replayed": "true", "X-Cycles-Trace-Id": record.trace_id}
    record.replayed(answer.status)
    door.answer(answer.status, headers, answer.body)


def _cost_nothing(record: CallRecord) -> bool:
    """Whether nothing was charged and never will be, so that the call may be made again."""
    match record.outcome:
        case None:
            return record.reservation_id is None
        case Outcome.NOT_SENT | Outcome.FAILED:
            return True
        case Outcome.REFUSED:
            return not record.charged
        case _:
            return False


def _name_of(door: Door, caller: Caller, key: str) -> str:
    """What the key is for: a credential, a subject and a path. Nothing of it can be read."""
    credentials = [value for name, value in door.headers if name.lower() in CREDENTIALS]
    subject = msgspec.to_builtins(caller.subject)
    path = caller.path if caller.deployment is None else f"{caller.path} {caller.deployment}"
    parts = json.dumps([sorted(credentials), subject, path, key], sort_keys=True)
    return f"idem_{sha256(parts.encode()).hexdigest()}"


def _fingerprint(door: Door, body: bytes) -> str:
    """What makes two calls the same. The boundary of a form is drawn anew when it is sent again."""
    content_type = door.header("Content-Type") or ""
    if is_form(content_type):
        body = body.replace(b"--" + boundary_of(content_type).encode(), b"--")
    return sha256(door.query.encode() + b"\n" + body).hexdigest()
