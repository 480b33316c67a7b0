"""Paths as clients write them: what is meant, and what stays as it came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.addresses import PREFIXES, has_version_twice, meant_by
from proxy.dialects.chat import CHAT
from proxy.dialects.messages import MESSAGES
from proxy.dialects.routes import METERED, spoken_at

OPERATIONS = sorted(path.removeprefix("/v1") for path in METERED)


@pytest.mark.parametrize("prefix", ["/v1", "", *PREFIXES])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_prefix_is_read_as_the_one_that_is_known(prefix: str, operation: str) -> None:
    assert meant_by(prefix + operation) == (f"/v1{operation}", None)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/openai/deployments/my-gpt4o/chat/completions", ("/v1/chat/completions", "my-gpt4o")),
        ("/openai/deployments/a.b_c/embeddings", ("/v1/embeddings", "a.b_c")),
        ("/openai/responses/resp_1/cancel", ("/v1/responses/resp_1/cancel", None)),
        ("/models/gpt-4o", ("/v1/models/gpt-4o", None)),
    ],
)
def test_other_forms_mean_the_same(path: str, meant: tuple[str, str | None]) -> None:
    assert meant_by(path) == meant


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "*",
        "/v2/chat/completions",
        "/api/chat/completions",
        "/v1beta/models/gemini-2.5-pro:generateContent",
        "/V1/chat/completions",
        "//api/v1/chat/completions",
        "/chat",
        "/completionsx",
        "/inference/v1/chat/completions",
        "/api/paas/v4/chat/completions",
        "http://elsewhere/v1/chat/completions",
    ],
)
def test_what_is_not_known_stays_as_it_came(path: str) -> None:
    assert meant_by(path) == (path, None)


@pytest.mark.parametrize("name", [".", "..", ".hidden", "a/b", "a%2fb", "a b", "ä", "x" * 129])
def test_a_deployment_has_a_plain_name(name: str) -> None:
    assert meant_by(f"/openai/deployments/{name}/chat/completions").path not in METERED


@given(st.text(st.sampled_from("/.%v1opeaischtmdly-"), max_size=40))
def test_what_is_meant_is_meant_again(path: str) -> None:
    meant = meant_by(f"/{path}")

    assert meant_by(meant.path).path == meant.path


@pytest.mark.parametrize("prefix", ["/v1/v1", "/api/v1/v1", "/openai/v1/v1"])
def test_a_version_that_stands_twice_is_noticed(prefix: str) -> None:
    assert has_version_twice(f"{prefix}/chat/completions")
    assert not has_version_twice(f"{prefix.removesuffix('/v1')}/chat/completions")


@pytest.mark.parametrize(
    "path",
    ["/v1/messages", "/messages", "/anthropic/v1/messages", "/s/agent=a/messages/count_tokens"],
)
def test_a_refusal_speaks_as_the_path_that_is_meant(path: str) -> None:
    assert spoken_at(path) is MESSAGES


def test_messages_of_a_thread_are_not_anthropics() -> None:
    assert spoken_at("/v1/threads/thread_1/messages") is CHAT
