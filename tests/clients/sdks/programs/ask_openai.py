"""openai for Python, as programs make its client."""

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
            "models": lambda client: plain_list(client.models.list()),
        }.items()
    }
)
