"""The changes: each a function of a message and chance, by the part of a message it changes."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from tests.fuzz.message import Message
from tests.fuzz.mutations.body import BODY, CODED, CODING
from tests.fuzz.mutations.events import EVENTS, LINES
from tests.fuzz.mutations.head import ANSWER_HEAD, CALL_HEAD
from tests.fuzz.mutations.tree import TREE
from tests.fuzz.mutations.wire import ENDS, WIRE

Mutate = Callable[[Random, Message], None]

STAGES: Final[tuple[Mapping[str, Mutate], ...]] = (
    {**TREE, **EVENTS},
    {**LINES, **BODY},
    CODING,
    CODED,
    {**CALL_HEAD, **ANSWER_HEAD},
    WIRE,
    ENDS,
)
"""In the order in which a message is made. After the first its body is written, after the
third it is compressed, after the fifth it is put on the wire."""

OF_CALLS: Final = (*TREE, *BODY, *CALL_HEAD, *WIRE, *ENDS)
OF_ANSWERS: Final = (*TREE, *BODY, *CODING, *CODED, *ANSWER_HEAD, *WIRE, *ENDS)
OF_STREAMS: Final = (*OF_ANSWERS, *EVENTS, *EVENTS, *LINES, *LINES)
