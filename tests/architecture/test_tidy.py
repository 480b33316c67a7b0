"""House rules that a machine can check. Each says why it is there."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("proxy", "pricing", "simulator")
PROSE = {".md", ".yaml", ".yml", ".toml", ".py", ".lock", ""}

MODULE_LINES_MAX = 400
TEST_LINES_MAX = 500
PIPELINE_LINES_MAX = 250
FUNCTION_LINES_MAX = 70
MODULES_IN_A_FOLDER_MAX = 13
NO_FLOATS_IN = ("proxy/ledger", "pricing/cost.py", "pricing/card.py", "pricing/quote.py")


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name)
def test_a_module_fits_into_a_head(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MODULE_LINES_MAX
    for function in functions(ast.parse(text)):
        assert function.end_lineno is not None
        length = function.end_lineno - function.lineno + 1
        assert length <= FUNCTION_LINES_MAX, f"{function.name} has {length} lines"


@pytest.mark.parametrize("path", sources("tests"), ids=name)
def test_a_test_module_fits_into_a_head(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= TEST_LINES_MAX


def test_the_pipeline_stays_a_story() -> None:
    assert len((ROOT / "proxy/gateway/pipeline.py").read_text().splitlines()) <= PIPELINE_LINES_MAX


@pytest.mark.parametrize("package", PACKAGES)
def test_a_folder_fits_a_glance(package: str) -> None:
    for folder in (ROOT / package, *(ROOT / package).rglob("*/")):
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= MODULES_IN_A_FOLDER_MAX, folder


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name)
def test_every_module_and_public_class_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    if not tree.body:
        return
    assert ast.get_docstring(tree), "the module has no docstring"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name)
def test_no_module_is_a_drawer(path: Path) -> None:
    """What has no name of its own has no reason of its own to change."""
    assert not re.search(r"util|helper|manager|common|misc", path.stem)


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name)
def test_nothing_is_left_for_later(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"\b(TODO|FIXME|XXX)\b|NotImplementedError", text)
    assert "time.sleep" not in text
    assert not re.search(r"^\s*global ", text, re.MULTILINE)


def money_sources() -> list[Path]:
    files = [path for path in sources("proxy", "pricing") if name(path).startswith(NO_FLOATS_IN)]
    assert len(files) > 10
    return files


@pytest.mark.parametrize("path", money_sources(), ids=name)
def test_money_is_never_a_float(path: Path) -> None:
    """A float rounds where nobody decided to (field-report 50, 56)."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target).endswith("_S"):
            assert isinstance(node.value, ast.Constant)  # a pause in seconds, as the loop takes it
            node.value.value = 0
        is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        is_type = isinstance(node, ast.Name) and node.id == "float"
        is_division = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        line = getattr(node, "lineno", 0)
        assert not is_literal, f"a float in line {line}"
        assert not is_type, f"float() in line {line}"
        assert not is_division or "Decimal" in ast.unparse(node), f"a division in line {line}"


def test_the_map_names_rooms_that_exist() -> None:
    text = ast.get_docstring(ast.parse((ROOT / "proxy/__init__.py").read_text("utf-8"))) or ""
    for room in re.findall(r"^    (\w+)/ ", text, re.MULTILINE):
        assert (ROOT / "proxy" / room).is_dir(), room
    for step in re.findall(r"^    (\w+)   +\w", text, re.MULTILINE):
        assert (ROOT / "proxy/gateway" / f"{step}.py").is_file(), step


def test_every_dependency_is_locked_and_justified() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    decisions = " ".join(
        path.read_text("utf-8") for path in (ROOT / "docs/decisions").glob("*.md")
    ).lower()
    for requirement in project["dependencies"]:
        package = re.split(r"[><=; ]", requirement)[0]
        assert f"\n{package}==" in f"\n{lock}", package
        assert package in decisions, f"{package}: no line in docs/decisions says why"
