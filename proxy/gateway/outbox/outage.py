"""The ledger is away: one line in the log when it goes, one when it is back, none a call."""

from proxy.observe.logs import Log


class Outage:
    """Whether the ledger is away, as far as anybody here has noticed."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._landed = 0
        self.is_on = False

    def began(self, why: str) -> None:
        """The ledger could not be reached."""
        if not self.is_on:
            self.is_on = True
            self._log.line("ledger_away", why=why)

    def landed(self) -> None:
        """Something that waited for it has reached it."""
        self._landed += self.is_on

    def ended(self) -> None:
        """It can be reached, and nothing waits for it any more."""
        if self.is_on:
            self._log.line("ledger_back", landed=self._landed)
        self.is_on = False
        self._landed = 0
