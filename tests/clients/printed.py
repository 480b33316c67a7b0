"""What other clients print in their documentation, read from where they are installed.

Nothing of it is kept here: a README is part of a distribution's metadata, and the scripts that it
tells of are in the source archive.
"""

import re
import tarfile
from importlib.metadata import Distribution
from pathlib import Path

CLIENTS = Path(__file__).resolve().parents[2] / ".venv-clients"
PYTHON = CLIENTS / "bin/python"

_HEADING_OR_FENCE = re.compile(
    r"^#{1,6} (?P<heading>[^\n]+)$|^```(?P<language>\w*)\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


def programs(markdown: str) -> dict[str, str]:
    """Every block of Python under its heading; a second one of the same heading ends in ` 2`."""
    found: dict[str, str] = {}
    heading, number = "", 0
    for part in _HEADING_OR_FENCE.finditer(markdown):
        if part["heading"] is not None:
            heading, number = part["heading"].replace("`", ""), 0
        elif part["language"] == "python":
            number += 1
            found[heading if number == 1 else f"{heading} {number}"] = part["code"]
    return found


def readme(distribution: str) -> dict[str, str]:
    """The programs of an installed README. Raises AssertionError: it is not installed."""
    site = [str(path) for path in CLIENTS.glob("lib/python3*/site-packages")]
    found = next(iter(Distribution.discover(name=distribution, path=site)), None)
    assert found is not None, f"{distribution} is not in {CLIENTS.name}: run `make clients`"
    return programs(found.read_text("METADATA") or "")


def scripts(distribution: str) -> dict[str, str]:
    """The scripts in the folder `examples` of a source archive, by their name."""
    name = distribution.replace("-", "_")
    (archive,) = (CLIENTS / "sources").glob(f"{name}-*.tar.gz")
    found: dict[str, str] = {}
    with tarfile.open(archive) as members:
        for member in members:
            if re.fullmatch(r"[^/]+/examples/[^/]+\.py", member.name):
                file = members.extractfile(member)
                assert file is not None
                found[Path(member.name).name] = file.read().decode()
    return found
