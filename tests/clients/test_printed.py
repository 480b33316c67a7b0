"""How programs are found on a page; and that what `make clients` installs is what is locked."""

import re
import tomllib

from tests.clients.printed import CLIENTS, programs
from tests.clients.test_langchain import EXAMPLES as LANGCHAIN
from tests.clients.test_langchain import PAGE as LANGCHAIN_PAGE
from tests.clients.test_openai_agents import EXAMPLES as OPENAI_AGENTS
from tests.clients.test_openai_agents import PAGE as OPENAI_AGENTS_PAGE

ROOT = CLIENTS.parent

TEXT = """\
# A page

```bash
# not a heading
export KEY=...
```

```python
first = 1
```

### `Gate` (v1)

```python
# not a heading either
second = 2
```

Between them.

```python
third = 3
```

| `python` | in a table |
"""


def test_a_program_is_found_by_its_heading_and_place() -> None:
    assert programs(TEXT) == {
        "A page": "first = 1\n",
        "Gate (v1)": "# not a heading either\nsecond = 2\n",
        "Gate (v1) 2": "third = 3\n",
    }


def test_what_is_supplied_around_a_program_says_why() -> None:
    for name, example in {**LANGCHAIN, **OPENAI_AGENTS}.items():
        supplied = bool(example.above or example.before or example.after)
        assert bool(example.why) == supplied, name


def test_the_clients_are_locked_and_their_archives_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lock = (ROOT / "requirements-clients.lock").read_text("utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    asked = {re.split("[<>=]", each)[0] for each in project["dependency-groups"]["clients"]}
    assert asked <= locked
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"({LANGCHAIN_PAGE}|{OPENAI_AGENTS_PAGE})==" in makefile


def test_a_client_is_of_the_version_that_the_tests_use() -> None:
    """runcycles is in both locks; what is proven of one is proven of the other."""
    names = ("requirements-dev.lock", "requirements-clients.lock")
    versions = {
        version
        for name in names
        for version in re.findall(
            r"^runcycles==(\S+)", (ROOT / name).read_text("utf-8"), re.MULTILINE
        )
    }
    assert len(versions) == 1
