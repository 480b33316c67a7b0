"""curl, by its command line: it asks for leave before it sends a body."""

import json
import subprocess
from collections.abc import Mapping

from tests.clients.sdks.programs.asked import Ask, answer_all

HELLO = [{"role": "user", "content": "What is the capital of Åland?"}]


def post(path: str, fields: Mapping[str, object], **headers: str) -> Ask:
    def asked(base_url: str, api_key: str) -> object:
        names = {"Authorization": f"Bearer {api_key}", "Expect": "100-continue", **headers}
        return run(base_url + path, names, "--data-binary", json.dumps(fields))

    return asked


def get(path: str) -> Ask:
    return lambda base_url, api_key: run(base_url + path, {"Authorization": f"Bearer {api_key}"})


def run(url: str, headers: Mapping[str, str], *more: str) -> object:
    """What it prints. With --fail-with-body an error is still shown."""
    named = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    command = ["curl", "--silent", "--show-error", "--no-buffer", "--fail-with-body"]
    ran = subprocess.run(
        [*command, "-H", "Content-Type: application/json", *named, *more, url],
        capture_output=True,
        check=False,
        text=True,
    )
    if ran.returncode:
        raise CurlFailed(ran.stdout or ran.stderr)
    return ran.stdout


class CurlFailed(Exception):
    """It ended with an exit code other than 0."""


CHAT = {"model": "gpt-4o", "messages": HELLO, "max_tokens": 40}
RESPONSES = {"model": "gpt-4o", "input": "Hello", "max_output_tokens": 40}
CLAUDE = "claude-haiku-5-5"
MESSAGES = {"model": CLAUDE, "messages": HELLO, "max_tokens": 40}

answer_all(
    {
        "chat": post("/chat/completions", CHAT),
        "chat, streamed": post(
            "/chat/completions",
            {**CHAT, "stream": True, "stream_options": {"include_usage": True}},
        ),
        "responses": post("/responses", RESPONSES),
        "responses, streamed": post("/responses", {**RESPONSES, "stream": True}),
        "completions": post(
            "/completions",
            {"model": "gpt-3.5-turbo-instruct", "prompt": "Once upon a time", "max_tokens": 20},
        ),
        "embeddings": post(
            "/embeddings", {"model": "text-embedding-3-small", "input": ["one", "two"]}
        ),
        "messages": post("/messages", MESSAGES),
        "messages, streamed": post("/messages", {**MESSAGES, "stream": True}),
        "count_tokens": post(
            "/messages/count_tokens", {"model": "claude-haiku-5-5", "messages": HELLO}
        ),
        "images": post(
            "/images/generations",
            {"model": "gpt-image-1", "prompt": "A cat", "size": "1024x1024", "quality": "low"},
        ),
        "moderations": post("/moderations", {"model": "omni-moderation-latest", "input": "Hello"}),
        "models": get("/models"),
    }
)
