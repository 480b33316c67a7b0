"""Which paths are metered, and in which dialect."""

from collections.abc import Mapping
from typing import Final

from proxy.dialects.chat import CHAT
from proxy.dialects.dialect import Dialect

METERED: Final[Mapping[str, Dialect]] = {
    "/v1/chat/completions": CHAT,
}
"""By path, for POST."""


def spoken_at(path: str) -> Dialect:
    """The dialect in which a refusal at this path is understood."""
    return next((METERED[each] for each in METERED if path.endswith(each)), CHAT)
