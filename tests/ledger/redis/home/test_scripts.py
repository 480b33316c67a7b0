"""Rules for the Lua of the ledger that a machine can check."""

import re
from importlib.resources import files

import pytest

from proxy.ledger.redis.asking import assemble_all

SCRIPTS = assemble_all()
LUA = files("proxy.ledger.redis").joinpath("lua")
FILES = {
    f"{folder.name}/{file.name}": file.read_text("utf-8")
    for folder in LUA.iterdir()
    for file in folder.iterdir()
}
LIBRARIES = {
    match.group(1): path
    for path, text in FILES.items()
    for match in re.finditer(r"^local (\w+) = (?:lazily\()?\{", text, re.MULTILINE)
    if path.startswith("lib/")
}


def code_of(text: str) -> str:
    """Without comments and strings."""
    lines = (line.partition("--")[0] for line in text.splitlines())
    return re.sub(r"'[^'\n]*'", "''", "\n".join(lines))


def test_every_file_is_in_a_script() -> None:
    used = {part.path for script in SCRIPTS.values() for part in script.parts}
    assert used == FILES.keys()


@pytest.mark.parametrize("path", FILES)
def test_a_file_fits_into_a_head(path: str) -> None:
    lines = FILES[path].splitlines()
    assert len(lines) <= 400
    assert max(map(len, lines)) <= 100
    assert FILES[path].startswith("-- ")


@pytest.mark.parametrize("path", FILES)
def test_amounts_never_become_numbers(path: str) -> None:
    """A number of Lua holds 53 bits: only limbs, times and numbers of things are read as one."""
    code = code_of(FILES[path])
    assert "cjson" not in code
    assert "HINCRBY" not in FILES[path]
    if "tonumber" in code:
        assert path in {
            "lib/amount.lua",
            "lib/clock.lua",
            "lib/windows.lua",
            "operators/ids.lua",
            "upkeep/seal.lua",
            "upkeep/sealed.lua",
        }


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_includes_what_it_looks_into(name: str) -> None:
    script = SCRIPTS[name]
    paths = {part.path for part in script.parts}
    for part in script.parts:
        for library, path in LIBRARIES.items():
            if re.search(rf"(?<![\w.'-]){library}\.\w", code_of(part.text)):
                assert path in paths, f"{part.path} looks into {library}"


@pytest.mark.parametrize("name", SCRIPTS)
def test_time_is_asked_for_in_one_place(name: str) -> None:
    asking = [part.path for part in SCRIPTS[name].parts if "'TIME'" in part.text]
    assert asking == ([] if name == "tenants" else ["lib/clock.lua"])
