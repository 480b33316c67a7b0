"""Configurations for tests: the least that loads, and what is wrong with one."""

from collections.abc import Mapping

import pytest

from proxy.config.findings import ConfigError, Finding, spell
from proxy.config.load import parse
from proxy.config.model import Config

UPSTREAM = """
upstreams:
  - {name: openai, base_url: "https://api.openai.com/v1", api_key: "sk-secret"}
"""
FILE = "spendgate.yaml"


def read(text: str = "", env: Mapping[str, str] | None = None) -> Config:
    """A configuration of these lines, with an upstream unless they bring one."""
    return parse(with_upstream(text), file=FILE, env=env or {})


def refused(text: str, env: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
    """What is wrong with these lines."""
    with pytest.raises(ConfigError) as refusal:
        read(text, env)
    return refusal.value.findings


def problems(text: str, env: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """The same, as pairs of key path and problem."""
    return [(spell(finding.path), finding.problem) for finding in refused(text, env)]


def with_upstream(text: str) -> str:
    return text if "upstreams:" in text else text + UPSTREAM
