"""What is asked of the model that makes no hold."""

import msgspec

from proxy.domain.errors import IdempotencyMismatch
from proxy.ledger.records import Forecast, ReserveRequest
from tests.ledger.model.endings import Endings
from tests.ledger.model.tenants import Key, Remembered

_NO_KEY = "\0"
_NO_ID = "nobody has it"


class Questions(Endings):
    """Forecasts, and the answers that are kept for replays."""

    def decide(self, request: ReserveRequest) -> Forecast:
        """Reserve with a key that nobody has, and take it back."""
        request = msgspec.structs.replace(request, key=_NO_KEY)
        grant = self.look(lambda: self.reserve(request, _NO_ID))
        balances = tuple(
            msgspec.structs.replace(
                balance, reserved=balance.reserved - grant.amounts[balance.unit]
            )
            for balance in grant.balances
        )
        return Forecast(grant.rung, grant.amounts, grant.affected_scopes, balances)

    def recall(self, tenant: str, key: str, payload_hash: str) -> str | None:
        """The answer that was kept, if one was."""
        for hold in self.holds.values():
            if (hold.request.subject.tenant or "", hold.request.key) == (tenant, key):
                raise IdempotencyMismatch
        found = self.remembered.get(Key(tenant, key))
        if found is not None and found.payload_hash != payload_hash:
            raise IdempotencyMismatch
        return found.answer if found is not None else None

    def remember(self, tenant: str, key: str, payload_hash: str, answer: str, keep_ms: int) -> str:
        """The first answer stays."""
        first = self.recall(tenant, key, payload_hash)
        if first is not None:
            return first
        kept = Remembered(payload_hash, answer, self.now_ms + keep_ms)
        self.remembered[Key(tenant, key)] = kept
        return answer
