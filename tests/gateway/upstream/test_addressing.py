"""Where requests go below the base URL of their upstream."""

import pytest

from proxy.gateway.upstream.addressing import PLAIN, AzureAddressing

DATED = AzureAddressing(is_v1=False, api_version="2024-10-21")
UNDATED = AzureAddressing(is_v1=True)


@pytest.mark.parametrize(
    ("path", "query", "target"),
    [
        ("/v1/chat/completions", "", "/chat/completions"),
        ("/v1/messages", "beta=true", "/messages?beta=true"),
        ("/v1/chat/completions", "api-version=2024-10-21", "/chat/completions"),
        ("/v1/models", "a=1&api-version=x&b=2", "/models?a=1&b=2"),
        ("/v1/models", "my-api-version=1", "/models?my-api-version=1"),
    ],
)
def test_most_upstreams_have_the_paths_that_are_known_here(
    path: str, query: str, target: str
) -> None:
    assert PLAIN.target(path, query, "gpt-4o") == target


@pytest.mark.parametrize(
    "operation",
    [
        "chat/completions",
        "completions",
        "embeddings",
        "audio/speech",
        "audio/transcriptions",
        "images/generations",
        "images/edits",
    ],
)
def test_azure_serves_these_by_deployment(operation: str) -> None:
    target = DATED.target(f"/v1/{operation}", "", "mine")

    assert target == f"/deployments/mine/{operation}?api-version=2024-10-21"
    assert UNDATED.target(f"/v1/{operation}", "", "mine") == f"/{operation}"


@pytest.mark.parametrize("path", ["/responses", "/responses/resp_1/cancel", "/models"])
def test_all_else_has_its_model_in_the_body(path: str) -> None:
    assert DATED.target(f"/v1{path}", "", "mine") == f"{path}?api-version=2024-10-21"


def test_a_request_without_a_model_has_no_deployment() -> None:
    target = DATED.target("/v1/embeddings", "", None)

    assert target == "/embeddings?api-version=2024-10-21"


def test_the_name_of_a_deployment_leads_nowhere_else() -> None:
    target = DATED.target("/v1/embeddings", "", "../a b?c#d")

    assert target == "/deployments/..%2Fa%20b%3Fc%23d/embeddings?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("azure", "query", "versioned"),
    [
        (DATED, "", "api-version=2024-10-21"),
        (DATED, "api-version=2025-01-01", "api-version=2025-01-01"),
        (DATED, "a=1&api-version=2025-01-01&api-version=x", "api-version=2025-01-01&a=1"),
        (AzureAddressing(is_v1=False), "a=1", "a=1"),
        (UNDATED, "api-version=preview", "api-version=preview"),
        (UNDATED, "api-version=2025-01-01", ""),
        (AzureAddressing(True, "preview"), "api-version=2025-01-01", "api-version=preview"),
    ],
)
def test_a_version_is_the_callers_or_else_ours(
    azure: AzureAddressing, query: str, versioned: str
) -> None:
    assert azure.target("/v1/models", query, None).partition("?")[2] == versioned
