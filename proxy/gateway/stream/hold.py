"""The hold of a stream, and how more is asked for it: in every unit, over every scope.

Source: docs/semantics.md, "A stream that outgrows its hold".
"""

from collections.abc import Mapping

from proxy.domain.errors import BudgetRefused, LedgerError, LedgerUnavailable, Refused
from proxy.domain.money import Unit
from proxy.gateway.estimate import Way
from proxy.ledger.protocol import Ledger
from proxy.ledger.records import Grant


class GrowingHold:
    """A hold that was made for shorter answers than its call allows.

    `amounts` is all that is held by now.
    """

    def __init__(self, ledger: Ledger, grant: Grant, way: Way) -> None:
        self._ledger = ledger
        self.reservation_id = grant.reservation_id
        self._way = way
        self._answer_tokens = way.output_tokens if way.held_tokens is None else way.held_tokens
        self._number = 0
        self.model = way.model.name
        self._unanswered: int | None = None
        self.amounts: Mapping[Unit, int] = grant.amounts

    @property
    def held_tokens(self) -> int:
        """What it pays for: output tokens of all answers together."""
        return self._way.terms["n"] * self._answer_tokens

    @property
    def input_tokens(self) -> int:
        """The most that the prompt can be."""
        return self._way.bound.total_tokens

    @property
    def limit_tokens(self) -> int:
        """The most that the call can be billed for."""
        return self._way.terms["n"] * self._way.output_tokens

    async def grow(self, by_tokens: int) -> int:
        """Hold so many more output tokens, or a few beyond that; how many more it was.

        Asked again after LedgerUnavailable, it is the same question.

        Raises:
            BudgetRefused: a scope has less.
            Refused: TENANT_SUSPENDED, TENANT_CLOSED.
            LedgerError: as `Ledger.grow`.
        """
        before, answer_tokens = self.held_tokens, self._unanswered
        if answer_tokens is None:
            longer = self._answer_tokens - -by_tokens // self._way.terms["n"]
            answer_tokens = min(self._way.output_tokens, longer)
        wanted = self._way.amounts_for(answer_tokens)
        more = {unit: amount - self.amounts[unit] for unit, amount in wanted.items()}
        by = {unit: amount for unit, amount in more.items() if amount > 0}
        key = f"{self.reservation_id}/grow/{self._number}"
        self._unanswered = answer_tokens
        try:
            grant = await self._ledger.grow(self.reservation_id, by=by, key=key)
        except LedgerUnavailable:
            raise
        except (Refused, LedgerError):
            self._unanswered = None
            self._number += 1
            raise
        self._unanswered = None
        self._number += 1
        self._answer_tokens = answer_tokens
        self.amounts = grant.amounts
        return self.held_tokens - before

    async def grow_at_once(self) -> None:
        """Hold all that the call can be billed for, if that is there: it came in one piece."""
        if self.held_tokens >= self.limit_tokens:
            return
        try:
            await self.grow(self.limit_tokens - self.held_tokens)
        except (Refused, LedgerError):
            # It was generated, and is charged whatever is held for it.
            return

    def left_tokens(self, refused: BudgetRefused) -> int:
        """How many more output tokens the scope that refused has room for."""
        unit, remaining = refused.shortage.unit, max(0, refused.shortage.remaining)
        payable = self._way.payable_tokens(unit, self.amounts[unit] + remaining)
        return max(0, self._way.terms["n"] * (payable - self._answer_tokens))
