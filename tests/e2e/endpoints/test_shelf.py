"""What no provider bills goes through as if there were no proxy: files, uploads, moderations."""

import hashlib
from pathlib import Path

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from simulator.server import Simulator
from tests.e2e.endpoints.calls import refusal
from tests.e2e.stack import Stack, running
from tests.e2e.wire import answered

pytestmark = pytest.mark.asyncio(loop_scope="module")

LARGE = hashlib.sha256(b"large").digest() * 2**17
"""4 MiB in which no boundary can stand."""


async def test_the_official_sdk_keeps_files_and_nothing_is_held(stack: Stack) -> None:
    before = len(await stack.rows())
    async with AsyncOpenAI(base_url=stack.base_url, api_key="any", max_retries=0) as sdk:
        kept = await sdk.files.create(file=("notes.txt", LARGE), purpose="user_data")
        listed = await sdk.files.list()
        found = await sdk.files.retrieve(kept.id)
        content = await sdk.files.content(kept.id)
        gone = await sdk.files.delete(kept.id)

    assert (kept.filename, kept.bytes, kept.purpose) == ("notes.txt", len(LARGE), "user_data")
    assert kept.id in [each.id for each in listed.data]
    assert found == kept
    assert content.content == LARGE
    assert gone.deleted
    assert len(await stack.rows()) == before


async def test_an_upload_in_parts_arrives_as_one(stack: Stack) -> None:
    before = len(await stack.rows())
    async with AsyncOpenAI(base_url=stack.base_url, api_key="any", max_retries=0) as sdk:
        upload = await sdk.uploads.create(
            bytes=len(LARGE), filename="a.bin", mime_type="text/plain", purpose="user_data"
        )
        half = len(LARGE) // 2
        parts = [
            await sdk.uploads.parts.create(upload.id, data=piece)
            for piece in (LARGE[:half], LARGE[half:])
        ]
        done = await sdk.uploads.complete(upload.id, part_ids=[part.id for part in parts])
        assert done.file is not None
        content = await sdk.files.content(done.file.id)
        other = await sdk.uploads.create(
            bytes=1, filename="b.bin", mime_type="text/plain", purpose="user_data"
        )
        cancelled = await sdk.uploads.cancel(other.id)

    assert content.content == LARGE
    assert cancelled.status == "cancelled"
    assert len(await stack.rows()) == before


async def test_moderations_cost_nothing(stack: Stack) -> None:
    before = len(await stack.rows())
    async with AsyncOpenAI(base_url=stack.base_url, api_key="any", max_retries=0) as sdk:
        judged = await sdk.moderations.create(input=["one", "two"])

    assert [each.flagged for each in judged.results] == [False, False]
    assert len(await stack.rows()) == before


async def test_files_of_both_apis_go_to_the_upstream_that_has_them(tmp_path: Path) -> None:
    """The paths are the same, and no file says whose model is going to read it."""
    async with Simulator() as other, Simulator() as claude:
        upstreams = [
            {"name": "other", "base_url": other.base_url, "api_key": "none"},
            {
                "name": "claude",
                "base_url": claude.base_url,
                "api_key": "none",
                "api": "anthropic",
                "models": ["claude*"],
            },
        ]
        async with running(tmp_path, other, upstreams=upstreams) as stack:
            url = stack.base_url.removesuffix("/v1")
            async with AsyncAnthropic(base_url=url, api_key="any", max_retries=0) as sdk:
                await sdk.beta.files.upload(file=("notes.txt", b"hello", "text/plain"))
            async with AsyncOpenAI(base_url=stack.base_url, api_key="any", max_retries=0) as sdk_:
                await sdk_.files.create(file=("notes.txt", b"hello"), purpose="user_data")

            assert [seen.path for seen in claude.requests_seen] == ["/v1/files"]
            assert [seen.path for seen in other.requests_seen] == ["/v1/files"]


@pytest.mark.parametrize("path", ["/v1/files/a/b", "/v1/uploads/a", "/v1/moderations/a"])
async def test_what_is_like_a_free_path_does_not_leave(stack: Stack, path: str) -> None:
    assert (await refusal(stack, path, {"input": "x"}))["code"] == "path_not_allowed"


async def test_a_free_answer_that_is_an_error_is_the_upstreams_own(stack: Stack) -> None:
    answer = await answered(stack.base_url, {}, path="/v1/uploads/upload_9/complete")

    assert (answer.status, answer.error()["message"]) == (
        404,
        "There is no upload of that id here.",
    )
