"""How long answers have been: what a hold is made for where it may grow.

In the memory of this process alone, and bounded: of each kind the last answers, of kinds those
that were asked for last. Numbers only, no word of an answer.
"""

from collections import OrderedDict, deque
from typing import Final, NamedTuple

import msgspec

from proxy.domain.scope import Scope

KINDS_MAX: Final = 1_000
ANSWERS_KEPT: Final = 200


class Kind(NamedTuple):
    """Answers that are likely to be of one length: by model, by API, and by who asks."""

    model: str
    api: str
    scope: Scope


class LearningRules(msgspec.Struct, frozen=True):
    """How a length is concluded from those of the past, in whole percent.

    quantile_pct: so many of the past answers were no longer. margin_pct: so much is added.
    answers_min: of fewer nothing is concluded. lookahead_tokens: what may come of a stream
    between the moment it is stopped and the moment its upstream knows.
    """

    quantile_pct: int
    margin_pct: int
    answers_min: int
    lookahead_tokens: int


class OutputLengths:
    """The lengths of past answers, in output tokens."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[Kind, deque[int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kinds)

    def note(self, kind: Kind, tokens: int) -> None:
        """An answer of this kind was so long."""
        lengths = self._kinds.get(kind)
        if lengths is None:
            if len(self._kinds) >= KINDS_MAX:
                self._kinds.popitem(last=False)
            lengths = self._kinds[kind] = deque(maxlen=ANSWERS_KEPT)
        lengths.append(tokens)

    def expected(self, kind: Kind, rules: LearningRules) -> int | None:
        """How long the next answer will hardly be longer than; None while nobody can say."""
        lengths = self._kinds.get(kind)
        if lengths is None or len(lengths) < rules.answers_min:
            return None
        self._kinds.move_to_end(kind)
        place = -(-len(lengths) * rules.quantile_pct // 100) - 1
        return -(-sorted(lengths)[place] * (100 + rules.margin_pct) // 100)
