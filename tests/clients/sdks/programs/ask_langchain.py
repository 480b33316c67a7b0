"""langchain-openai, as its pages show it."""

from typing import Any

from langchain_openai import (  # type: ignore[import-not-found]
    ChatOpenAI,
    OpenAIEmbeddings,
)
from pydantic import SecretStr

from tests.clients.sdks.programs.asked import answer_all


def chat(base_url: str, api_key: str, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model="gpt-4o", base_url=base_url, api_key=SecretStr(api_key), max_tokens=40, **more
    )


def said(message: Any) -> object:
    """Without the name that langchain gives to the run."""
    return [message.content, message.usage_metadata, message.tool_calls]


def streamed(base_url: str, api_key: str) -> object:
    return [chunk.content for chunk in chat(base_url, api_key).stream("Hello")]


def embedded(base_url: str, api_key: str) -> object:
    model = OpenAIEmbeddings(
        model="text-embedding-3-small",
        base_url=base_url,
        api_key=SecretStr(api_key),
        check_embedding_ctx_length=False,  # it would fetch a vocabulary
    )
    return model.embed_documents(["one", "two"])


answer_all(
    {
        "chat": lambda base_url, api_key: said(chat(base_url, api_key).invoke("Hello")),
        "chat, streamed": streamed,
        "responses": lambda base_url, api_key: said(
            chat(base_url, api_key, use_responses_api=True).invoke("Hello")
        ),
        "embeddings": embedded,
    }
)
