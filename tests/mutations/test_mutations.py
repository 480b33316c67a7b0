"""The edits can still be made, their tests still exist, and the list of them is up to date."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.ledger.redis.asking import assemble_all
from proxy.ledger.redis.script import read_package_file
from tests.mutations.mutation import Mutation
from tests.mutations.runner import ROOT, copied_tree, occurrences, results_of, tried
from tests.mutations.table import MUTATIONS
from tests.servers.fixtures import valkey
from tests.servers.process import Server

__all__ = ["valkey"]

LUA = "proxy/ledger/redis/lua/"


def name_of(mutation: Mutation) -> str:
    return mutation.name


each = pytest.mark.parametrize("mutation", MUTATIONS, ids=name_of)
of_lua = [mutation for mutation in MUTATIONS if mutation.file.startswith(LUA)]
of_python = [mutation for mutation in MUTATIONS if mutation not in of_lua]


@each
def test_the_text_that_is_edited_stands_once_in_its_file(mutation: Mutation) -> None:
    assert occurrences(mutation) == 1
    assert mutation.new != mutation.old


@each
def test_the_tests_that_notice_an_edit_exist(mutation: Mutation) -> None:
    assert mutation.tests
    for test in mutation.tests:
        file, _, function = test.partition("::")
        names = {
            node.name
            for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert function.partition("[")[0] in names, test


def edited(mutation: Mutation) -> str:
    return (ROOT / mutation.file).read_text("utf-8").replace(mutation.old, mutation.new)


@pytest.mark.parametrize("mutation", of_python, ids=name_of)
def test_an_edit_leaves_python_that_can_be_read(mutation: Mutation) -> None:
    """What is noticed is then the edit, not a slip in it."""
    ast.parse(edited(mutation))


@pytest.mark.parametrize("mutation", of_lua, ids=name_of)
def test_an_edit_leaves_scripts_that_can_be_read(mutation: Mutation, valkey: Server) -> None:
    def read(path: str) -> str:
        return edited(mutation) if LUA + path == mutation.file else read_package_file(path)

    for script in assemble_all(read).values():
        assert valkey.command("SCRIPT", "LOAD", script.source) == script.sha1.encode()


def test_names_are_told_apart() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)


@each
def test_the_readme_lists_the_edit_and_its_tests(mutation: Mutation) -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "tests/README.md").read_text("utf-8").splitlines()
        if line.startswith("| ")
    ]
    tests = ", ".join(f"`{test.removeprefix('tests/')}`" for test in mutation.tests)
    assert [mutation.name, f"`{mutation.file}`", tests] in rows


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    with copied_tree() as copied:
        yield copied


@pytest.mark.soak
def test_without_an_edit_they_are_green(tree: Path) -> None:
    named = {test for mutation in MUTATIONS for test in mutation.tests}
    results = results_of(tuple(sorted(named)), tree)
    assert [test for test, is_green in results.items() if not is_green] == []


@pytest.mark.soak
@each
def test_every_edit_turns_its_tests_red(mutation: Mutation, tree: Path) -> None:
    assert tried(mutation, tree) == []
