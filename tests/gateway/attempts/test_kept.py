"""Which calls only their own upstream can answer."""

import json
from typing import Any

import pytest

from proxy.dialects.dialect import Request
from proxy.gateway.attempts.kept import refers_to_kept


def request(**fields: Any) -> Request:
    fields = {"model": "gpt-4o", **fields}
    return Request(body=json.dumps(fields).encode(), fields=fields, model="gpt-4o")


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"container": "container_1"},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"content": [{"type": "input_file", "file_id": "file-1"}]}]},
        {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_one_upstream_keeps_is_known_by_its_field(fields: dict[str, Any]) -> None:
    assert refers_to_kept(request(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": "conversation"}]},
        {"previous_response_id": None, "conversation": None},
        {"prompt": "Once upon a time"},
        {"input": [{"content": [{"type": "input_image", "image_url": "https://a.example/b"}]}]},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_any_upstream_can_read_is_kept_by_none(fields: dict[str, Any]) -> None:
    assert not refers_to_kept(request(**fields))
