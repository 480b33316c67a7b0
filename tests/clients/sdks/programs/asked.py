"""What the programs in Python share: one question a line comes in, one answer a line goes out.

A question is `{"name", "base_url", "api_key"}`, an answer `{"said": …}` or, where the program
of a user would end with an exception, `{"kind", "shown"}`.
"""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

Ask = Callable[[str, str], object]
"""From a base URL and a key to what was said."""


def answer_all(asks: Mapping[str, Ask]) -> None:
    """Answer what is asked until there is no more."""
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(_answer(asks[question["name"]], question)), flush=True)  # noqa: T201


def _answer(ask: Ask, question: Mapping[str, str]) -> dict[str, Any]:
    try:
        return {"said": ask(question["base_url"], question["api_key"])}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what its user sees
        return {"kind": type(error).__name__, "shown": str(error)}
