"""What is answered without a key: the document of what is served, and a page to read it.

The page is whole as it comes: no script, nothing loaded from elsewhere.
"""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

import msgspec

from proxy.authority.exchange import Reply
from proxy.authority.openapi import document

_STYLE: Final = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;padding:.5rem;overflow:auto}code{background:#f4f4f4}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#eee}pre,code{background:#222}}"
)
_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}


def pages() -> dict[str, Reply]:
    """The answers by path."""
    served = document()
    text = msgspec.json.encode(served)
    return {
        "/openapi.json": Reply(200, {"Content-Type": "application/json"}, text),
        "/docs": Reply(200, _HEADERS, _page(served).encode()),
    }


def _page(served: Mapping[str, Any]) -> str:
    title = escape(served["info"]["title"])
    operations = "".join(
        _section(method, path, operation)
        for path, methods in served["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(
        f'<h3 id="{escape(name)}">{escape(name)}</h3>{_json(schema)}'
        for name, schema in served["components"]["schemas"].items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1><p>{escape(served['info']['summary'])} "
        'The same for programs: <a href="/openapi.json">openapi.json</a>.</p>'
        f"<h2>Operations</h2>{operations}<h2>Schemas</h2>{schemas}</html>"
    )


def _section(method: str, path: str, operation: Mapping[str, Any]) -> str:
    body = operation.get("requestBody")
    takes = _linked("Takes", body["content"]) if body else ""
    answers = "".join(
        f"<li>{status}: {escape(answer['description'])} {_linked('', answer['content'])}</li>"
        for status, answer in operation["responses"].items()
    )
    names = ", ".join(parameter["name"] for parameter in operation["parameters"])
    return (
        f"<h3><code>{method.upper()} {escape(path)}</code></h3>"
        f"<p>{escape(operation['summary'])} {escape(operation['description'])}</p>"
        f"<p>Parameters: {escape(names) or 'none'}. {takes}</p><ul>{answers}</ul>"
    )


def _linked(word: str, content: Mapping[str, Any]) -> str:
    name = escape(content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1])
    return f'{word} <a href="#{name}">{name}</a>'


def _json(schema: Any) -> str:
    return (
        f"<pre>{escape(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())}</pre>"
    )
