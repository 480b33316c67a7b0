"""`check` finds what is wrong and says where."""

import json
from pathlib import Path

import pytest

from proxy.domain.clock import Clock
from proxy.gateway.runtime.admin import Check
from tests.cli.commands import run, write_config

WRONG_UNIT = """
pricing:
  overrides: [{model: m, input_per_mtok: 0.0000025, output_per_mtok: 0.60}]
"""


def test_a_good_configuration_is_good(config_file: Path) -> None:
    result = run("check", "-c", str(config_file))

    assert result.exit_code == 0
    assert result.stdout == (
        f"{config_file} is good (budget lines: 2, policies: 0, price overrides: 0, warnings: 0), "
        "and a call without budget is denied\n"
    )


def test_each_finding_is_a_line_with_its_place_and_what_is_accepted(tmp_path: Path) -> None:
    file = write_config(tmp_path, more="shutdown_ms: -1\nbudgetz: []")

    result = run("check", "-c", str(file))

    assert result.exit_code == 1
    negative, unknown = result.stdout.splitlines()
    assert f'{file}:10: budgetz: unknown key; did you mean "budgets"?' in unknown
    assert f"{file}:9: shutdown_ms: out of range (accepted: " in negative
    assert "is good" not in result.stdout


def test_findings_for_programs_name_file_line_path_and_severity(tmp_path: Path) -> None:
    file = write_config(tmp_path, more="shutdown_ms: -1")

    result = run("check", "-c", str(file), "--json")

    assert result.exit_code == 1
    (finding,) = json.loads(result.stdout)
    assert finding.pop("accepted")
    assert finding == {
        "file": str(file),
        "line": 9,
        "path": "shutdown_ms",
        "problem": "out of range",
        "severity": "error",
    }


def test_a_price_in_the_wrong_unit_is_a_no(tmp_path: Path) -> None:
    """A price that is too low by a million is a budget that does not exist."""
    file = write_config(tmp_path, more=WRONG_UNIT)

    result = run("check", "-c", str(file))

    assert result.exit_code == 1
    assert "pricing.overrides[0]" in result.stdout
    assert "if it was meant per token write 2.5" in result.stdout
    assert "warning" not in result.stdout


def test_warnings_are_a_no_only_when_they_are_asked_to_be() -> None:
    command = ("check", "--budget", "5.00")

    lax = run(*command, OPENAI_API_KEY=None, UPSTREAM_BASE_URL=None)
    strict = run(*command, "--strict", OPENAI_API_KEY=None, UPSTREAM_BASE_URL=None)

    assert lax.exit_code == 0
    assert lax.stdout.startswith("warning: upstreams[0].api_key: empty (is OPENAI_API_KEY set?)")
    assert "warnings: 1" in lax.stdout
    assert strict.exit_code == 1


def test_a_budget_that_is_no_amount_is_a_no() -> None:
    result = run("check", "--budget", "five")

    assert result.exit_code == 1
    assert "--budget is not an amount of US dollars" in result.stdout


@pytest.mark.parametrize("arguments", [(), ("-c", "a.yaml", "--budget", "5.00")])
def test_neither_or_both_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert run("check", *arguments).exit_code == 2


@pytest.fixture
def open_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lets_everything_pass(clock: Clock) -> Check:
        return Check("self_test", ok=False, why="a call without budget was answered 200")

    monkeypatch.setattr("proxy.selftest.self_test", lets_everything_pass)


@pytest.mark.usefixtures("open_gate")
def test_a_program_that_does_not_deny_is_a_no(config_file: Path) -> None:
    result = run("check", "-c", str(config_file))

    assert result.exit_code == 1
    assert result.stdout == "self-test: a call without budget was answered 200\n"


def test_the_secret_is_in_no_finding(tmp_path: Path) -> None:
    file = tmp_path / "spendgate.yaml"
    file.write_text("upstreams: [{name: o, base_url: nowhere, api_key: sk-very-secret}]")

    result = run("check", "-c", str(file))

    assert result.exit_code == 1
    assert "base_url" in result.output
    assert "sk-very-secret" not in result.output


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo sk-very-secret; exit 4", "its command ended with status 4"),
        ("echo sk-very-secret", None),
    ],
)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_command_that_writes_no_key_is_a_warning_without_its_words(
    tmp_path: Path, script: str, problem: str | None, more: tuple[str, ...]
) -> None:
    file = write_config(tmp_path)
    command = f'api_key_command: [/bin/sh, -c, "{script}"]'
    file.write_text(file.read_text().replace("api_key: none", command))

    result = run("check", "-c", str(file), *more)

    assert result.exit_code == 0
    assert "sk-very-secret" not in result.output
    assert ("upstreams[0].api_key_command" in result.output) == (problem is not None)
    assert problem is None or problem in result.output


def test_certificates_that_are_not_there_are_a_no(tmp_path: Path) -> None:
    file = write_config(tmp_path)
    file.write_text(file.read_text().replace("api_key: none", "api_key: none, ca_file: no.pem"))

    result = run("check", "-c", str(file))

    assert result.exit_code == 1
    assert "upstreams[0].ca_file: no such file or directory" in result.stdout
