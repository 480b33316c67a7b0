"""docs/architecture.md against the tree."""

import re

import proxy
from tests.docs.pages import ROOT, blocks, codes, page, section, table

TEXT = page("architecture.md")


def test_the_steps_are_those_of_the_package_and_in_their_order() -> None:
    rows = table(section(TEXT, "The way of a call"), "step", "file")
    steps = [row["step"] for row in rows if row["step"]]
    assert proxy.__doc__ is not None
    assert " ─▶ ".join(steps) in proxy.__doc__
    assert " ─▶ ".join(steps) in blocks(TEXT, "")[0]


def test_every_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"`((?:gateway|ledger)/[\w/]+\.py)`", TEXT))
    assert named
    assert [path for path in sorted(named) if not (ROOT / "proxy" / path).is_file()] == []


def test_the_rooms_are_those_of_the_package() -> None:
    rooms = re.findall(r"^  (\w+)(?:/|\.py) ", blocks(TEXT, "")[1], re.MULTILINE)
    package = ROOT / "proxy"
    found = {path.stem for path in package.iterdir() if not path.name.startswith("__")}
    assert set(rooms) == found


def test_the_layers_are_those_that_imports_are_checked_by() -> None:
    (line,) = re.findall(r"Imports point downward: ([^.]+\.)", section(TEXT, "The rooms"))
    layers = re.findall(r'"proxy\.(?!__)([^"]+)"', (ROOT / "pyproject.toml").read_text())
    for name in re.findall(r"\w+", " ".join(re.split(r"→|,", line))):
        assert any(name in layer for layer in layers) or name == "pricing"


def test_tables_name_one_file_a_step() -> None:
    rows = table(section(TEXT, "The way of a call"), "step", "file")
    assert all(len(codes(row["file"])) == 1 for row in rows)
