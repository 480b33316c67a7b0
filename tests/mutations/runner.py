"""Makes one edit at a time in a copy of the tree, and runs the tests that must notice it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.mutations.table import Mutation

ROOT: Final = Path(__file__).resolve().parents[2]
COPIED: Final = ("proxy", "pricing", "simulator", "tests", "docs", "deploy")
NOT_COPIED: Final = shutil.ignore_patterns("__pycache__", ".hypothesis")
TIMEOUT_S: Final = 300


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of the sources that may be edited; it is gone afterwards."""
    with TemporaryDirectory() as directory:
        tree = Path(directory)
        for name in COPIED:
            shutil.copytree(ROOT / name, tree / name, ignore=NOT_COPIED)
        for file in ROOT.iterdir():
            if file.is_file():
                shutil.copy(file, tree)
        yield tree


def occurrences(mutation: Mutation, tree: Path = ROOT) -> int:
    """How often the text to replace stands in its file."""
    return (tree / mutation.file).read_text("utf-8").count(mutation.old)


@contextmanager
def mutated(mutation: Mutation, tree: Path) -> Iterator[None]:
    """Make the edit, and take it back."""
    path = tree / mutation.file
    text = path.read_text("utf-8")
    path.write_text(text.replace(mutation.old, mutation.new), "utf-8")
    try:
        yield
    finally:
        path.write_text(text, "utf-8")


def survivors(mutation: Mutation, tree: Path) -> list[str]:
    """The tests that should have noticed the edit, and did not."""
    with mutated(mutation, tree):
        failed = failed_tests(mutation.tests, tree)
    return [test for test in mutation.tests if not any(each.startswith(test) for each in failed)]


def failed_tests(tests: tuple[str, ...], tree: Path) -> list[str]:
    """Run the tests in the tree; the ids of those that fail."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *tests],
        cwd=tree,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    found = [line[1] for line in lines if line[0] in ("FAILED", "ERROR") and len(line) > 1]
    if done.returncode not in (0, 1) and not found:
        raise RuntimeError(done.stdout + done.stderr)
    return found
