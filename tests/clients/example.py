"""What it takes to run a program of a README: the rows of a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.domain.money import Unit
from tests.clients.stand import Ran, Stand


@dataclass(frozen=True, kw_only=True)
class Example:
    """One program, unchanged between what is supplied before and after it.

    `above`: programs further up on the same page that it goes on from. `why` says why the program
    cannot stand alone, or why nothing comes of it by itself.
    """

    why: str = ""
    above: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    spent: Mapping[tuple[str, Unit], int] = field(default_factory=dict)
    """What the client takes out of budgets."""
    model_calls: int
    prints: tuple[str, ...] = ()

    async def run(self, page: Mapping[str, str], name: str, stand: Stand, *, tenant: str) -> Ran:
        """The program of this name, with all that comes before and after."""
        printed = (page[above] for above in self.above)
        return await stand.run(*printed, self.before, page[name], self.after, tenant=tenant)

    def assert_as_told(self, ran: Ran) -> None:
        """It ran, and did what its row says."""
        ran.assert_sound()
        assert ran.spent_by_clients == self.spent
        assert len(ran.asked) == self.model_calls
        assert [words for words in self.prints if words not in ran.output] == []
