"""The SDKs, and a conversation with one of them."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.printed import PYTHON
from tests.clients.sdks import programs

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = Path(__file__).with_name("programs")
NODE_MODULES = Path(__file__).with_name("node_modules")
PATIENCE_S = 60.0
ANSWER_BYTES_MAX = 2**24

OVER_A_SOCKET = "responses over a WebSocket"
OPENAI_ASKS = (
    "chat",
    "chat, streamed",
    "responses",
    "responses, streamed",
    "completions",
    "embeddings",
    "images",
    "speech",
    "transcriptions",
    "translations",
    "models",
    "moderations",
    "files",
)
CURL_ASKS = (*OPENAI_ASKS[:7], "models", "moderations")
ANTHROPIC_ASKS = ("messages", "messages, streamed", "count_tokens")
LANGCHAIN_ASKS = ("chat", "chat, streamed", "responses", "embeddings")
VERCEL_ASKS = (
    "chat",
    "chat, streamed",
    "responses",
    "responses, streamed",
    "embeddings",
    "images",
    "speech",
    "transcriptions",
    "messages",
    "messages, streamed",
)


@dataclass(frozen=True)
class Sdk:
    """One SDK: its program, what it can ask, and what it asks when it is to be refused."""

    name: str
    program: str
    asks: tuple[str, ...]
    refused: str


SDKS = (
    Sdk("openai, Python", "ask_openai.py", (*OPENAI_ASKS, OVER_A_SOCKET), "chat"),
    Sdk("openai, npm", "ask_openai.mjs", OPENAI_ASKS, "chat"),
    Sdk("langchain-openai", "ask_langchain.py", LANGCHAIN_ASKS, "chat"),
    Sdk("Vercel AI SDK, OpenAI", "ask_vercel.mjs", VERCEL_ASKS, "responses"),
    Sdk("anthropic, Python", "ask_anthropic.py", ANTHROPIC_ASKS, "messages"),
    Sdk("anthropic, npm", "ask_anthropic.mjs", ANTHROPIC_ASKS, "messages"),
    Sdk("Vercel AI SDK, Anthropic", "ask_vercel.mjs", (), "messages"),
    Sdk("curl", "ask_curl.py", (*CURL_ASKS, *ANTHROPIC_ASKS), "chat"),
)


@dataclass(frozen=True)
class Told:
    """What a user of the SDK has in hand: what was said, or an exception and its text."""

    said: Any = None
    kind: str = ""
    shown: str = ""


class Conversation:
    """A running program. It is asked one thing at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, name: str, base_url: str, api_key: str = "any") -> Told:
        """Ask by name, at this address."""
        question = json.dumps({"name": name, "base_url": base_url, "api_key": api_key})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(question.encode() + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            line = await self._process.stdout.readline()
        assert line, "the program ended: its own words are above"
        return Told(**json.loads(line))


@asynccontextmanager
async def talking_to(sdk: Sdk) -> AsyncIterator[Conversation]:
    """Its program, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *_command(sdk),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore"},
        cwd=ROOT,
        limit=ANSWER_BYTES_MAX,
    )
    try:
        yield Conversation(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def missing(sdk: Sdk) -> str | None:
    """Why it cannot be had here, if it cannot."""
    if sdk.program.endswith(".mjs"):
        if shutil.which("node") is None:
            return "there is no node"
        if not NODE_MODULES.is_dir():
            return "its packages are not installed: run `make clients`"
    if sdk.name == "curl" and shutil.which("curl") is None:
        return "there is no curl"
    return None if PYTHON.is_file() else "its packages are not installed: run `make clients`"


def _command(sdk: Sdk) -> tuple[str, ...]:
    if sdk.program.endswith(".mjs"):
        return "node", str(PROGRAMS / sdk.program)
    return str(PYTHON), "-m", f"{programs.__name__}.{sdk.program.removesuffix('.py')}"
