"""Runs the programs that it is given, one after another in one module, by the Python of a client.

Documentation awaits where a reader stands: at the top level.
"""

import ast
import asyncio
import inspect
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    names: dict[str, Any] = {"__name__": "example"}
    with asyncio.Runner() as runner:
        for file in sys.argv[1:]:
            text = Path(file).read_text("utf-8")
            code = compile(text, file, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            outcome = eval(code, names)
            if inspect.iscoroutine(outcome):
                runner.run(outcome)


main()
