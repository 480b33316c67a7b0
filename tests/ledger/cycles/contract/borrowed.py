"""Tests of the contract, asked of the home elsewhere; the exceptions by name, each with why."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

ONE_UNIT = "the protocol holds in one unit"
NO_DOUBT = "there a hold is not dispatched, not uncertain, and ends with its lease"
NOT_TOLD = "the wire does not tell this of a balance, a window or a row"
FORESEEN = "a decision tells no balances"
KEYS = "there keys are compared by what is sent, and each operation has its own"
TENANTS = "a key is of one tenant, and one that is suspended is a 403 like any other"
GROWTH = "growth is another reservation, asked for by this process alone"
LATE = "what has ended there stays: a cost that turns up late is an event"
REASONS = "the wire has fewer reasons to say no than a ledger of ours"
NEVER_REFUSED = "where an overage is refused, what is held is charged"

Exceptions = Mapping[str, tuple[str, ...]]
"""Names of tests, by why they are not asked."""


def borrow(module: ModuleType, exceptions: Exceptions) -> dict[str, Any]:
    """Everything of a module of tests but the exceptions, all of which it must have."""
    excepted = [name for names in exceptions.values() for name in names]
    missing = [name for name in excepted if not hasattr(module, name)]
    assert not missing, f"{module.__name__} has no {missing}"
    assert len(set(excepted)) == len(excepted)
    own = {name: value for name, value in vars(module).items() if not name.startswith("__")}
    return {name: value for name, value in own.items() if name not in excepted}
