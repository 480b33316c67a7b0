"""Calls that commands estimate. Vocabularies are read once, not by each command."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pricing.tokens import Tokenizers
from proxy.cli.estimate.forecast import Forecast, forecast
from proxy.config.load import load

MESSAGES = [{"role": "user", "content": "say this is a test"}]


@pytest.fixture(scope="session")
def loaded() -> Tokenizers:
    tokenizers = Tokenizers()
    tokenizers.load()
    return tokenizers


@pytest.fixture(autouse=True)
def load_once(loaded: Tokenizers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second for each command is for people, not for tests."""
    monkeypatch.setattr("proxy.cli.estimate.forecast.Tokenizers", lambda: loaded)


def written(folder: Path, **fields: Any) -> Path:
    """The body of a call, as a file."""
    body = {"model": "gpt-4o", "max_tokens": 500, "messages": MESSAGES} | fields
    file = folder / "body.json"
    file.write_text(json.dumps({k: v for k, v in body.items() if v is not None}))
    return file


def forecast_of(
    config_file: Path, body: Path, *named: tuple[str, str], path: str = "/v1/chat/completions"
) -> Forecast:
    return asyncio.run(forecast(load(config_file, {}), body.read_bytes(), named, path))
