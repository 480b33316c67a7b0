import tempfile
from pathlib import Path

import pytest

from tests.benchmarks.instruments.disk import durable_directory, filesystem_of, innermost

MOUNTS = [(Path("/"), "ext4"), (Path("/var"), "xfs"), (Path("/var"), "tmpfs"), (Path("/v"), "nfs")]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/a", "ext4"), ("/var/lib/a", "tmpfs"), ("/v", "nfs"), ("/varnish", "ext4")],
)
def test_a_path_is_on_the_innermost_mount_and_the_last_of_two(path: str, kind: str) -> None:
    assert innermost(Path(path), MOUNTS) == kind


def test_what_nobody_mounted_is_unknown() -> None:
    assert innermost(Path("/home"), []) == "unknown"


@pytest.mark.parametrize(
    ("kind", "is_durable"), [("tmpfs", False), ("ramfs", False), ("xfs", True)]
)
def test_files_that_shall_last_are_not_kept_in_memory(
    kind: str, is_durable: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tests.benchmarks.instruments.disk.filesystem_of", lambda path: kind)
    usual = Path(tempfile.gettempdir())
    assert durable_directory() == (usual if is_durable else tmp_path)


def test_this_machine_knows_what_its_temporary_files_are_on(tmp_path: Path) -> None:
    assert filesystem_of(tmp_path) != ""
