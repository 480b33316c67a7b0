"""A file and an environment in, a Config out; or every finding at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from proxy.config.checks import errors
from proxy.config.explain import explain
from proxy.config.findings import ConfigError, Finding
from proxy.config.model import Config
from proxy.config.sections.values import read_usd
from proxy.config.source import read_document
from proxy.domain.money import usd

_WITHOUT_FILE: Final = """
upstreams:
  - name: openai
    base_url: "${UPSTREAM_BASE_URL:-https://api.openai.com/v1}"
    api_key: "${OPENAI_API_KEY:-}"
identity: {default: {tenant: dev}}
budgets:
  - {scope: "tenant:dev", allocated: "${BUDGET}", period: month}
"""


def load(path: Path, env: Mapping[str, str]) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problem = error.strerror or "cannot be read"
        raise ConfigError([Finding((), problem, file=str(path))]) from None
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 text, at byte {error.start}"
        raise ConfigError([Finding((), problem, file=str(path))]) from None
    return parse(text, file=str(path), env=env)


def parse(text: str, *, file: str, env: Mapping[str, str]) -> Config:
    """Read a configuration text; `file` is what findings call it.

    Raises:
        ConfigError: something in it is wrong.
    """
    document = read_document(text, file=file, env=env)
    findings = list(document.findings)
    if () not in document.broken:
        value = {} if document.value is None else document.value
        try:
            config = Config.model_validate(value).written_at(document.origin)
            findings += errors(config)
        except ValidationError as error:
            findings += explain(error, document)
    if findings:
        raise ConfigError(findings)
    return config


def default_config(budget_usd: str, env: Mapping[str, str]) -> Config:
    """The configuration of `serve --budget`: one budget for a month, no file.

    `budget_usd` is dollars, `5.00` or `$5.00`. The upstream is `UPSTREAM_BASE_URL`, else
    OpenAI's; its key is in `OPENAI_API_KEY`.

    Raises:
        ConfigError: the budget is no amount, or a variable holds what it must not.
    """
    bare = budget_usd.strip()
    try:
        budget = read_usd(bare if "$" in bare or "USD" in bare else f"${bare}")
    except PydanticCustomError:
        problem = "--budget is not an amount of US dollars"
        raise ConfigError([Finding((), problem, "5.00")]) from None
    return parse(_WITHOUT_FILE, file="", env={**env, "BUDGET": f"${usd(budget)}"})
