"""A configuration for each test."""

from pathlib import Path

import pytest

from tests.cli.commands import write_config


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    return write_config(tmp_path)
