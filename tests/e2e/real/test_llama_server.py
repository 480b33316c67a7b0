"""Real input: a model server nobody here wrote, its own tokens, its own counters.

Runs where `SPENDGATE_LLAMA_SERVER` names llama.cpp's `llama-server` and
`SPENDGATE_LLAMA_MODEL` a small model (tiny_model.py writes one); skips, loudly, elsewhere.
"""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import openai
import pytest
import yaml
from openai import AsyncOpenAI

from proxy.config.load import parse
from proxy.domain.clock import SystemClock
from proxy.ledger.audit import Audit
from proxy.ledger.sqlite.ledger import SqliteLedger
from proxy.serving import Server
from tests.e2e.stack import ListLog

PROGRAM = os.environ.get("SPENDGATE_LLAMA_SERVER")
MODEL = os.environ.get("SPENDGATE_LLAMA_MODEL")
CALLS = 50
LETTERS = "root ::= [a-z]+"

# Dollars per million tokens; a millionth of a dollar is 100 microcents.
INPUT, CACHED, OUTPUT = 1, 0.1, 3

pytestmark = pytest.mark.skipif(
    not (PROGRAM and MODEL),
    reason="SPENDGATE_LLAMA_SERVER and SPENDGATE_LLAMA_MODEL name no real model server",
)


@asynccontextmanager
async def llama_server(*more_options: str) -> AsyncIterator[str]:
    """A running llama-server; its address."""
    assert PROGRAM is not None
    assert MODEL is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"--host 127.0.0.1 --port {port} -c 131072 --jinja --metrics --alias gpt-4o -n 64"
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        "-m",
        MODEL,
        *options.split(),
        *more_options,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until_healthy(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def until_healthy(address: str) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(400):
            try:
                async with session.get(f"{address}/health") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
    raise TimeoutError("llama-server did not become healthy")


async def counted(address: str) -> tuple[int, int, int]:
    """Its own totals: prompt tokens processed, prompt tokens from its cache, tokens predicted."""
    async with aiohttp.ClientSession() as session, session.get(f"{address}/metrics") as answer:
        text = await answer.text()

    def total(name: str) -> int:
        found = re.search(rf"^llamacpp:{name} (\S+)$", text, re.MULTILINE)
        assert found is not None, name
        return int(float(found[1]))

    return (
        total("prompt_tokens_total"),
        total("prompt_tokens_cached_total"),
        total("tokens_predicted_total"),
    )


def config_text(folder: Path, upstream: str) -> str:
    return yaml.safe_dump(
        {
            "listen": dict.fromkeys(("proxy", "authority", "admin"), "127.0.0.1:0"),
            "ledger": {"url": f"sqlite:///{folder / 'ledger.db'}"},
            "upstreams": [{"name": "llama", "base_url": f"{upstream}/v1", "api_key": "none"}],
            "identity": {"default": {"tenant": "dev"}},
            "budgets": [{"scope": "tenant:dev", "allocated": "$100.00", "period": "none"}],
            "pricing": {
                "overrides": [
                    {
                        "model": "gpt-4o",
                        "input_per_mtok": INPUT,
                        "cache_read_per_mtok": CACHED,
                        "output_per_mtok": OUTPUT,
                        "tokenizer": "unknown",
                    }
                ]
            },
        }
    )


@asynccontextmanager
async def proxied(folder: Path, upstream: str) -> AsyncIterator[AsyncOpenAI]:
    """The official SDK, on a proxy before a running server."""
    config = parse(config_text(folder, upstream), file="test", env={})
    server = Server(config, SystemClock(), ListLog())
    await server.start()
    url = f"http://{server.addresses['proxy']}/v1"
    async with AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client
    await server.stop()


async def audited(folder: Path) -> Audit:
    """What the ledger says when all is over."""
    books = SqliteLedger.open(folder / "ledger.db", clock=SystemClock(), new_id=str, serves=False)
    audit = await books.verify()
    await books.close()
    return audit


async def one_call(client: AsyncOpenAI, number: int) -> None:
    stream = number % 2 == 1
    answer = await client.chat.completions.create(
        model="gpt-4o",
        max_tokens=1 + number,
        messages=[{"role": "user", "content": f"call number {number}: " + "say it " * number}],
        stream=stream,
        extra_body={"grammar": LETTERS},
    )
    if isinstance(answer, openai.AsyncStream):
        async for _ in answer:
            pass


async def test_the_charge_is_what_the_server_itself_counted(tmp_path: Path) -> None:
    """Fifty calls, JSON and streams: charged = its token totals x price, to the microcent."""
    async with llama_server() as upstream:
        async with proxied(tmp_path, upstream) as client:
            for number in range(CALLS):
                await one_call(client, number)
        prompt, cached, predicted = await counted(upstream)

    audit = await audited(tmp_path)
    assert predicted > CALLS
    assert audit.differences == ()
    assert audit.reservations == CALLS
    assert audit.uncovered == 0
    assert audit.charged == prompt * 100 + cached * 10 + predicted * 300


async def one_completion(client: AsyncOpenAI, number: int) -> None:
    """A text, or its tokens, goes on; without a limit in every third call."""
    prompt = [65 + number] * 9 if number % 5 == 0 else f"text number {number}: " + "on " * number
    answer = await client.completions.create(
        model="gpt-4o",
        prompt=prompt,
        max_tokens=openai.omit if number % 3 == 0 else 1 + number,
        stream=number % 2 == 1,
        extra_body={"grammar": LETTERS},
    )
    if isinstance(answer, openai.AsyncStream):
        async for _ in answer:
            pass


async def test_legacy_completions_are_charged_what_the_server_itself_counted(
    tmp_path: Path,
) -> None:
    async with llama_server() as upstream:
        async with proxied(tmp_path, upstream) as client:
            for number in range(CALLS):
                await one_completion(client, number)
        prompt, cached, predicted = await counted(upstream)

    audit = await audited(tmp_path)
    assert predicted > CALLS
    assert audit.differences == ()
    assert (audit.reservations, audit.uncovered) == (CALLS, 0)
    assert audit.charged == prompt * 100 + cached * 10 + predicted * 300


async def test_embeddings_are_charged_what_the_server_itself_counted(tmp_path: Path) -> None:
    inputs: list[str | list[str] | list[int] | list[list[int]]] = [
        "one text",
        ["one text", "and a longer one beside it"],
        [1, 2, 3],
        [[1, 2, 3], [4]],
    ]
    async with llama_server("--embeddings", "--pooling", "mean") as upstream:
        async with proxied(tmp_path, upstream) as client:
            reported = 0
            for given in inputs:
                answer = await client.embeddings.create(model="gpt-4o", input=given)
                assert len(answer.data[0].embedding) == 64
                reported += answer.usage.prompt_tokens
        prompt, _, predicted = await counted(upstream)

    audit = await audited(tmp_path)
    assert (predicted, audit.differences) == (0, ())
    assert (audit.reservations, audit.uncovered) == (len(inputs), 0)
    assert prompt == reported > 0
    assert audit.charged == prompt * 100
