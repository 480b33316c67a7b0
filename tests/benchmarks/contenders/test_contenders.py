from pathlib import Path

import pytest

from proxy.config.checks import warnings
from proxy.config.convert import budget_lines
from proxy.config.load import load
from tests.benchmarks.contenders import CONTENDERS, WITH_BUDGETS, WITHOUT_BUDGETS, Contender


def written_config(contender: Contender, directory: Path) -> Path:
    assert contender.launch is not None
    launch = contender.launch(directory, 9)
    file = Path(launch.command[-1])
    assert file.parent == directory
    assert f"127.0.0.1:{launch.port}" in file.read_text()
    return file


@pytest.mark.parametrize(("contender", "budgets"), [(WITHOUT_BUDGETS, 0), (WITH_BUDGETS, 6)])
def test_the_proxy_takes_the_configuration_it_is_given(
    contender: Contender, budgets: int, tmp_path: Path
) -> None:
    config = load(written_config(contender, tmp_path), {})
    assert len(budget_lines(config)) == budgets


def test_nothing_is_odd_about_the_six_budgets(tmp_path: Path) -> None:
    assert list(warnings(load(written_config(WITH_BUDGETS, tmp_path), {}))) == []


def test_only_one_contender_is_the_upstream_itself() -> None:
    assert [contender.name for contender in CONTENDERS if contender.launch is None] == ["direct"]
