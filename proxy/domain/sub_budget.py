"""What a sub-budget leaves to whoever spends from it: a key, a purse, and limits of its own.

Rules: docs/decisions/sub-budgets.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Protocol

import msgspec

from proxy.domain.decision import Caps
from proxy.domain.errors import Reason, Refused
from proxy.domain.key import Key
from proxy.domain.subject import PURSE

CHILD_KEY_PREFIX: Final = "cyc_sub_"
"""What the keys of sub-budgets start with: `cyc_sub_<reservation id>_<secret>`."""


CARVE_PREFIX: Final = "sub-budget:"
"""What the keys of the holds that fill purses start with in a ledger. No client can make a hold
with such a key, and so none that poses as a carve."""


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What may be called. Empty, it limits nothing.

    `models`: lists of names and wildcards (`*`, `?`), one of each sub-budget from the outermost
    in; a model is in all of them. `tools`: the only tools that stay.
    """

    models: tuple[tuple[str, ...], ...] = ()
    tools: tuple[str, ...] = ()
    max_tokens: int | None = None

    @property
    def caps(self) -> Caps:
        """What of it is a cap."""
        return Caps(max_tokens=self.max_tokens, tool_allowlist=self.tools)

    def allows_model(self, name: str) -> bool:
        """Whether every list has this model."""
        return all(any(fnmatchcase(name, glob) for glob in globs) for globs in self.models)

    def narrowed(
        self, *, models: Iterable[str], tools: Iterable[str], max_tokens: int | None
    ) -> "Limits":
        """These limits and further ones; nothing widens.

        Raises:
            ValueError: no tool would be left: an empty list would allow them all.
        """
        globs, wanted = tuple(models), tuple(tools)
        left = tuple(tool for tool in wanted if not self.tools or tool in self.tools)
        if wanted and not left:
            raise ValueError("None of the tools is one that the parent may use.")
        ceilings = [most for most in (self.max_tokens, max_tokens) if most is not None]
        return Limits(
            models=(*self.models, globs) if globs else self.models,
            tools=left or self.tools,
            max_tokens=min(ceilings, default=None),
        )


UNLIMITED: Final = Limits()


@dataclass(frozen=True, slots=True)
class Child:
    """Who spends from a purse. The levels of `key.subject` are as scopes have them.

    `dimensions` are those of every subject that spends with this key: its purse, and the run
    that it was carved in. `stopped` says why nothing new may be held for now.
    """

    key: Key
    dimensions: Mapping[str, str]
    limits: Limits
    expires_at_ms: int
    depth: int
    stopped: tuple[Reason, str] | None = None

    @property
    def purse(self) -> str:
        """The scope that the money is in."""
        return self.dimensions[PURSE]

    def check_goes_on(self) -> None:
        """Raises Refused while nothing new may be held."""
        if self.stopped is not None:
            raise Refused(*self.stopped)


class ChildKeys(Protocol):
    """Knows the keys of sub-budgets that are open."""

    async def find(self, secret: str) -> Child | None:
        """Whose key this is; None for one that is unknown, closed or expired.

        Raises:
            LedgerError: the ledger cannot say.
        """
        ...


class _Nobodys:
    """The keys of a ledger without sub-budgets."""

    async def find(self, secret: str) -> Child | None:
        return None


NOBODYS: Final = _Nobodys()
