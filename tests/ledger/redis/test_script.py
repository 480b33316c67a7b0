"""How the Lua of an operation is put together from its files."""

import hashlib

import pytest

from proxy.ledger.redis.script import Part, Script, assemble

FILES = {
    "plain.lua": "return {1}\n",
    "reserve.lua": "-- include: lib/b.lua\n-- include: lib/a.lua\n\nreturn {a + b}\n",
    "lib/a.lua": "local a = b\n",
    "lib/b.lua": "-- one\nlocal b = 2\n",
    "twice.lua": "-- include: lib/a.lua\n-- include: lib/a.lua\nreturn {}\n",
    "deep.lua": "-- include: lib/deep.lua\nreturn {}\n",
    "lib/deep.lua": "-- include: lib/a.lua\n",
    "open.lua": "-- include: lib/open.lua\nreturn {}\n",
    "lib/open.lua": "local a = 1",
    "lost.lua": "-- include: lib/lost.lua\nreturn {}\n",
}


def test_included_files_stand_before_the_script_in_the_stated_order() -> None:
    script = assemble("reserve", FILES.__getitem__)
    assert script.name == "reserve"
    assert script.source == FILES["lib/b.lua"] + FILES["lib/a.lua"] + FILES["reserve.lua"]
    assert assemble("plain", FILES.__getitem__).source == FILES["plain.lua"]


def test_a_script_is_known_by_the_digest_of_its_source() -> None:
    script = assemble("reserve", FILES.__getitem__)
    assert script.sha1 == hashlib.sha1(script.source.encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("twice", "twice.lua includes a file twice"),
        ("deep", "lib/deep.lua includes files; only a script does"),
        ("open", "lib/open.lua does not end with a line break"),
    ],
)
def test_what_would_be_read_wrongly_is_refused(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        assemble(name, FILES.__getitem__)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(KeyError, match="lost"):
        assemble("lost", FILES.__getitem__)
    with pytest.raises(FileNotFoundError, match="no_such_script"):
        assemble("no_such_script")


@pytest.mark.parametrize(
    ("text", "located"),
    [
        ("user_script:1: no", "lib/b.lua:1: no"),
        ("on @user_script:2.", "on @lib/b.lua:2."),
        ("@user_script: 3: no", "@lib/a.lua:1: no"),
        ("user_script:4 user_script:7", "reserve.lua:1 reserve.lua:4"),
        ("user_script:8", "reserve beyond its end"),
        ("no place", "no place"),
    ],
)
def test_a_line_of_the_whole_is_told_as_a_line_of_its_file(text: str, located: str) -> None:
    assert assemble("reserve", FILES.__getitem__).locate(text) == located


def test_the_source_stays_out_of_the_repr() -> None:
    assert repr(Script("x", (Part("x.lua", "return {}\n"),))) == "Script(name='x')"
