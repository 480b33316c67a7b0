"""README.md against the Makefile."""

import re

from tests.docs.pages import ROOT, read

_TARGET = re.compile(r"^([a-z-]+):.*##", re.MULTILINE)


def test_every_target_that_a_page_names_is_in_the_makefile() -> None:
    targets = set(_TARGET.findall(read(ROOT / "Makefile")))
    for path in (ROOT / "README.md", ROOT / "docs/architecture.md", ROOT / "docs/performance.md"):
        named = set(re.findall(r"(?:^|`|; )make ([a-z-]+)", read(path), re.MULTILINE))
        assert named <= targets, path.name


def test_the_readme_names_the_first_commands() -> None:
    text = read(ROOT / "README.md")
    assert all(f"make {target}" in text for target in ("demo", "run", "test"))
    assert "OPENAI_BASE_URL" in text
