"""The text of the Dockerfile: what must hold before anybody builds it."""

import json
import re
import tomllib
from typing import Final

import click
import pytest

from proxy.cli import main
from proxy.config.checks import warnings
from proxy.config.convert import ledger_file
from proxy.config.findings import ConfigError
from proxy.config.load import load
from proxy.config.sections.values import Address
from tests.docs.pages import ROOT, read

TEXT: Final = read(ROOT / "Dockerfile")
CONFIG: Final = ROOT / "deploy" / "image" / "config.yaml"
ENV: Final = {"SPENDGATE_BUDGET": "5.00", "OPENAI_API_KEY": "secret"}

Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, without comments, continued lines in one."""
    lines = [line for line in TEXT.splitlines() if not line.startswith("#")]
    found: list[list[Instruction]] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            found.append([])
        if name and found:
            found[-1].append((name, " ".join(rest.split())))
    return found


def values(stage: list[Instruction], name: str) -> list[str]:
    return [rest for found, rest in stage if found == name]


BUILD, FINAL = stages()


def test_both_stages_stand_on_the_base_that_is_asked_for() -> None:
    assert "ARG BASE=python:3.12-slim\n" in TEXT
    assert values(BUILD, "FROM") == ["${BASE} AS build"]
    assert values(FINAL, "FROM") == ["${BASE}"]


def test_it_runs_as_a_number_that_is_not_root() -> None:
    """A kubelet with runAsNonRoot refuses names."""
    (user,) = values(FINAL, "USER")
    uid, gid = map(int, user.split(":"))
    assert min(uid, gid) >= 10_000


def test_its_user_owns_the_volume_and_works_there() -> None:
    (volume,) = values(FINAL, "VOLUME")
    (user,) = values(FINAL, "USER")
    uid, gid = user.split(":")
    names = [name for name, _ in FINAL]
    assert values(FINAL, "WORKDIR") == [volume]
    assert values(FINAL, "RUN") == [f"install -d -o {uid} -g {gid} -m 0750 {volume}"]
    assert names.index("RUN") < names.index("VOLUME"), "what comes after a VOLUME is lost"
    assert names.index("RUN") < names.index("USER")


def test_nothing_is_installed_but_what_a_lock_names() -> None:
    installs = re.findall(r"pip (?:--python \S+ )?install [^&]*", " ".join(values(BUILD, "RUN")))
    assert len(installs) == 3
    assert all("--require-hashes" in each or "--no-index" in each for each in installs)
    assert all("--no-deps" in each for each in installs if "--no-index" in each)


def test_the_tools_of_the_build_are_in_the_development_lock() -> None:
    (names,) = re.findall(r"/\^\(([a-z|-]+)\)==/", TEXT)
    locked = re.findall(r"^([a-z0-9-]+)==", read(ROOT / "requirements-dev.lock"), re.MULTILINE)
    assert set(names.split("|")) <= set(locked)


def test_every_package_with_its_data_gets_in() -> None:
    project = tomllib.loads(read(ROOT / "pyproject.toml"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = [word for each in values(BUILD, "COPY") for word in each.split()[:-1]]
    assert set(packages) <= set(copied)
    assert any((ROOT / "pricing" / "vocabulary").iterdir())


@pytest.mark.parametrize("stage", [BUILD, FINAL], ids=["build", "final"])
def test_what_is_copied_is_there_and_is_let_into_the_build(stage: list[Instruction]) -> None:
    ignored, *rules = (
        line
        for line in read(ROOT / ".dockerignore").splitlines()
        if line and not line.startswith("#")
    )
    admitted = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert ignored == "*"
    for copy in values(stage, "COPY"):
        if copy.startswith("--from=build"):
            continue
        for source in copy.split()[:-1]:
            assert (ROOT / source).exists()
            assert any(source == rule or source.startswith(f"{rule}/") for rule in admitted)


def test_the_final_stage_takes_only_the_environment_and_a_configuration() -> None:
    assert values(FINAL, "COPY") == [
        "--from=build /opt/spendgate /opt/spendgate",
        "deploy/image/config.yaml /etc/spendgate/config.yaml",
    ]


def test_it_can_be_stopped_and_asked_how_it_is() -> None:
    (entry,) = values(FINAL, "ENTRYPOINT")
    (check,) = values(FINAL, "HEALTHCHECK")
    (command,) = values(FINAL, "CMD")
    health = json.loads(check[check.index("[") :])
    assert values(FINAL, "STOPSIGNAL") == ["SIGTERM"]
    for words in ([*json.loads(entry), *json.loads(command)], health):
        program, name, option, file = words
        found = main.commands[name]
        assert program == "spendgate"
        assert option in [each for param in found.params for each in param.opts]
        assert file == "/etc/spendgate/config.yaml"
        assert isinstance(found, click.Command)


def test_its_configuration_needs_a_budget_and_nothing_else() -> None:
    with pytest.raises(ConfigError, match="SPENDGATE_BUDGET"):
        load(CONFIG, {})

    config = load(CONFIG, ENV)

    assert warnings(config) == []
    assert [budget.allocated for budget in config.budgets] == [500_000_000]


def test_health_answers_on_all_addresses_and_money_on_none_but_loopback() -> None:
    config = load(CONFIG, ENV)
    (ports,) = values(FINAL, "EXPOSE")
    assert config.listen.admin == Address("0.0.0.0", 7979)
    assert config.listen.proxy == Address("127.0.0.1", 7676)
    assert ports == f"{config.listen.proxy.port} {config.listen.admin.port}"


def test_its_ledger_lies_on_the_volume() -> None:
    (volume,) = values(FINAL, "VOLUME")
    assert ledger_file(load(CONFIG, ENV)).parent.as_posix() == volume


def test_every_variable_that_its_configuration_reads_is_explained_in_it() -> None:
    text = read(CONFIG)
    explained = re.findall(r"^#   ([A-Z_]+) ", text, re.MULTILINE)
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) == set(explained)
