"""The table of docs/errors.md that says what SDKs make of refusals, as it was measured."""

import json
import re
from collections.abc import Mapping
from importlib.metadata import Distribution
from pathlib import Path

from proxy.gateway.respond import REFUSALS
from tests.clients.printed import CLIENTS
from tests.clients.sdks.refusals import Case, Met, alike, cases
from tests.clients.sdks.sdk import NODE_MODULES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "errors.md"
_MEASURED = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- /measured -->)", re.DOTALL)
_BODY = re.compile(r"\{.*\}", re.DOTALL)

PYTHON_PACKAGES = ("openai", "langchain-openai", "anthropic")
NODE_PACKAGES = ("openai", "@anthropic-ai/sdk", "ai", "@ai-sdk/openai", "@ai-sdk/anthropic")

Measured = Mapping[str, Mapping[Case, Met]]


def measured_part() -> str:
    """What the page says now."""
    found = _MEASURED.search(PAGE.read_text("utf-8"))
    assert found is not None, "the page has lost its place for what is measured"
    return found[0]


def write(part: str) -> None:
    """Let the page say this."""
    text = PAGE.read_text("utf-8")
    PAGE.write_text(_MEASURED.sub(lambda _: part, text), "utf-8")


def part_of(measured: Measured) -> str:
    """What the page should say."""
    return "\n".join((_versions(), "", *_attempts(measured), "", *_shown(measured), ""))


def _attempts(measured: Measured) -> list[str]:
    lines = [
        f"| status | reason | {' | '.join(measured)} |",
        f"|---|---|{'---|' * len(measured)}",
    ]
    for case in cases():
        reasons = ", ".join(f"`{reason}`" for reason in alike()[REFUSALS[case.reason]])
        if case.deny_status != 429:
            reasons = f"the same with `responses.deny_status: {case.deny_status}`"
        counts = " | ".join(str(met[case].attempts) for met in measured.values())
        lines.append(f"| {case.status} | {reasons} | {counts} |")
    return lines


def _shown(measured: Measured) -> list[str]:
    denial = cases()[0]
    lines = ["| SDK | raises | shows |", "|---|---|---|"]
    for name, met in measured.items():
        kind = "exit code 22" if name == "curl" else f"`{met[denial].kind}`"
        shown = _BODY.sub("{the whole body}", met[denial].shown)
        lines.append(f"| {name} | {kind} | {shown} |")
    return lines


def _versions() -> str:
    site = [str(path) for path in CLIENTS.glob("lib/python3*/site-packages")]
    python = (
        f"{name} {found.version}"
        for name in PYTHON_PACKAGES
        for found in Distribution.discover(name=name, path=site)
    )
    node = (f"{name} {_node_version(name)}" for name in NODE_PACKAGES)
    return f"Python: {', '.join(python)}. npm: {', '.join(node)}."


def _node_version(name: str) -> str:
    text = (NODE_MODULES / name / "package.json").read_text("utf-8")
    return str(json.loads(text)["version"])
