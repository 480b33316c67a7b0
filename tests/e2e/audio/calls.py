"""Calls with sound, without the proxy and through it, and what the books say of them."""

import io
import wave
from collections.abc import Mapping
from typing import Any

from simulator.behaviour import Behaviour
from tests.dialects.wire.forms import content_type, field, file, form
from tests.e2e.endpoints.calls import HONEST, Outcome
from tests.e2e.stack import Stack
from tests.e2e.wire import answered

SPEECH = "/v1/audio/speech"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
TRANSLATIONS = "/v1/audio/translations"

FORM = f"Content-Type: {content_type()}"


def wav(seconds: float, *, rate_hz: int = 16_000) -> bytes:
    """Silence of 16 bits."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(rate_hz)
        opened.writeframes(bytes(2 * round(seconds * rate_hz)))
    return sound.getvalue()


def upload(sound: bytes, fields: Mapping[str, str], *, is_first: bool = False) -> bytes:
    """A form with a file, behind its fields or before them."""
    parts = [field(name, value) for name, value in fields.items()]
    parts.insert(0 if is_first else len(parts), file("file", sound))
    return form(parts)


async def run(
    stack: Stack, path: str, body: Any, *headers: str, behaviour: Behaviour = HONEST
) -> Outcome:
    """The call in both ways, answered alike."""
    simulator = stack.simulator
    simulator.reset()
    simulator.behave(behaviour)
    direct = await answered(simulator.address, body, *headers, path=path)
    simulator.reset()
    calls = len(stack.log.events("call"))

    through = await answered(stack.base_url, body, *headers, path=path)

    await stack.log.until("call", calls + 1)
    (bill,) = simulator.bills
    return Outcome(direct, direct.body, through, (await stack.rows())[-1], bill)
