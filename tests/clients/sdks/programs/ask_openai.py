"""openai for Python, as programs make its client."""

import base64
import io
import wave
from collections.abc import Callable, Iterable
from typing import Any

from openai import OpenAI
from pydantic import BaseModel

from tests.clients.sdks.programs.asked import Ask, answer_all

HELLO: Any = [{"role": "user", "content": "What is the capital of Åland?"}]
GPT = "gpt-4o"


def with_client(ask: Callable[[OpenAI], object]) -> Ask:
    def asked(base_url: str, api_key: str) -> object:
        with OpenAI(base_url=base_url, api_key=api_key) as client:
            return ask(client)

    return asked


def plain(answer: BaseModel) -> object:
    return answer.model_dump(mode="json", warnings=False)


def plain_list(chunks: Iterable[Any]) -> object:
    return [plain(chunk) for chunk in chunks]


def sound() -> tuple[str, bytes]:
    """A second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(8_000)
        written.writeframes(b"\0\0" * 8_000)
    return "silence.wav", file.getvalue()


def spoken(client: OpenAI) -> object:
    answer = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there")
    return base64.b64encode(answer.content).decode()


def filed(client: OpenAI) -> object:
    kept = client.files.create(file=("a.jsonl", b'{"a": 1}\n'), purpose="batch")
    found = client.files.retrieve(kept.id)
    text = client.files.content(kept.id).content.decode()
    return [plain(kept), plain(found), text, plain(client.files.delete(kept.id))]


def over_a_socket(client: OpenAI) -> object:
    """Without what stands in the head of an answer over HTTP, and in the first event here."""
    events = []
    with client.responses.connect() as connection:
        connection.response.create(model=GPT, input="Hello", max_output_tokens=40)
        for event in connection:
            events.append(event.model_dump(mode="json", warnings=False, exclude={"headers"}))
            if event.type == "response.completed" or event.type == "response.incomplete":
                return events
    raise AssertionError(f"the socket ended after {len(events)} events")


answer_all(
    {
        name: with_client(ask)
        for name, ask in {
            "chat": lambda client: plain(
                client.chat.completions.create(model=GPT, messages=HELLO, max_tokens=40)
            ),
            "chat, streamed": lambda client: plain_list(
                client.chat.completions.create(
                    model=GPT,
                    messages=HELLO,
                    max_tokens=40,
                    stream=True,
                    stream_options={"include_usage": True},
                )
            ),
            "responses": lambda client: plain(
                client.responses.create(model=GPT, input="Hello", max_output_tokens=40)
            ),
            "responses, streamed": lambda client: plain_list(
                client.responses.create(model=GPT, input="Hello", max_output_tokens=40, stream=True)
            ),
            "completions": lambda client: plain(
                client.completions.create(
                    model="gpt-3.5-turbo-instruct", prompt="Once upon a time", max_tokens=20
                )
            ),
            "embeddings": lambda client: plain(
                client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
            ),
            "images": lambda client: plain(
                client.images.generate(
                    model="gpt-image-1", prompt="A cat", size="1024x1024", quality="low"
                )
            ),
            "speech": spoken,
            "transcriptions": lambda client: plain(
                client.audio.transcriptions.create(model="gpt-4o-transcribe", file=sound())
            ),
            "translations": lambda client: plain(
                client.audio.translations.create(model="whisper-1", file=sound())
            ),
            "responses over a WebSocket": over_a_socket,
            "models": lambda client: plain_list(client.models.list()),
            "moderations": lambda client: plain(
                client.moderations.create(model="omni-moderation-latest", input="Hello")
            ),
            "files": filed,
        }.items()
    }
)
