"""What the answer was, and what it cost the caller in freedom.

Source: cycles-protocol-v0.yaml, schemas Decision and Caps.
"""

from enum import StrEnum

import msgspec


class Decision(StrEnum):
    """ALLOW_WITH_CAPS: the call leaves, but not as it was asked for."""

    ALLOW = "ALLOW"
    ALLOW_WITH_CAPS = "ALLOW_WITH_CAPS"
    DENY = "DENY"


class Caps(msgspec.Struct, frozen=True):
    """Ceilings on a call. A cap only ever takes away: the result is min(asked, cap).

    A non-empty `tool_allowlist` wins over `tool_denylist`. `max_steps_remaining` is how many
    calls may follow, `cooldown_ms` the least time between one and the next.
    """

    max_tokens: int | None = None
    tool_allowlist: tuple[str, ...] = ()
    tool_denylist: tuple[str, ...] = ()
    max_steps_remaining: int | None = None
    cooldown_ms: int | None = None

    def within(self, other: "Caps") -> "Caps":
        """Both: the stricter of each, and only the tools that both let stay.

        Raises:
            ValueError: no tool is left of their lists, which an empty list would not say.
        """
        listed = self.tool_allowlist or other.tool_allowlist
        left = tuple(name for name in listed if self.allows_tool(name) and other.allows_tool(name))
        if listed and not left:
            raise ValueError("No tool is left of those that are allowed.")
        denied = () if listed else dict.fromkeys((*self.tool_denylist, *other.tool_denylist))
        return Caps(
            max_tokens=_lower(self.max_tokens, other.max_tokens),
            tool_allowlist=left,
            tool_denylist=tuple(denied),
            max_steps_remaining=_lower(self.max_steps_remaining, other.max_steps_remaining),
            cooldown_ms=max(self.cooldown_ms or 0, other.cooldown_ms or 0) or None,
        )

    @property
    def paces(self) -> bool:
        """Whether it limits how many calls are made, or how fast."""
        return self.max_steps_remaining is not None or self.cooldown_ms is not None

    def allows_tool(self, name: str) -> bool:
        """Whether a tool of this name may stay in the call."""
        if self.tool_allowlist:
            return name in self.tool_allowlist
        return name not in self.tool_denylist


def _lower(one: int | None, other: int | None) -> int | None:
    return min([most for most in (one, other) if most is not None], default=None)
