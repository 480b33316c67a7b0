"""anthropic for Python, as programs make its client."""

from collections.abc import Callable
from typing import Any

from anthropic import Anthropic

from tests.clients.sdks.programs.asked import Ask, answer_all

HELLO: Any = [{"role": "user", "content": "What is the capital of Åland?"}]
CLAUDE = "claude-haiku-5-5"


def with_client(ask: Callable[[Anthropic], object]) -> Ask:
    def asked(base_url: str, api_key: str) -> object:
        with Anthropic(base_url=base_url.removesuffix("/v1"), api_key=api_key) as client:
            return ask(client)

    return asked


def streamed(client: Anthropic) -> object:
    with client.messages.stream(model=CLAUDE, messages=HELLO, max_tokens=40) as stream:
        return [event.model_dump(mode="json", warnings=False) for event in stream]


answer_all(
    {
        "messages": with_client(
            lambda client: client.messages.create(
                model=CLAUDE, messages=HELLO, max_tokens=40
            ).model_dump(mode="json")
        ),
        "messages, streamed": with_client(streamed),
        "count_tokens": with_client(
            lambda client: client.messages.count_tokens(model=CLAUDE, messages=HELLO).model_dump(
                mode="json"
            )
        ),
    }
)
