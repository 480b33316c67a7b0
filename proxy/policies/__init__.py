"""Before any budget is asked: what operators change in a call, and when.

conditions  whether a policy holds, by the state of its budgets and by time
deciding    which policy decides, and what it leaves of a call
"""

from proxy.policies.deciding import (
    OTHER_SCOPE,
    Consideration,
    Policies,
    Wish,
    choice_for,
    counted,
    dropped_tools,
    entry_for,
    limited,
)

__all__ = [
    "OTHER_SCOPE",
    "Consideration",
    "Policies",
    "Wish",
    "choice_for",
    "counted",
    "dropped_tools",
    "entry_for",
    "limited",
]
