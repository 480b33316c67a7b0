"""What every window held after an entry of the journal: replay can start there."""

import msgspec

from proxy.ledger import lines
from proxy.ledger.lines import Standing
from proxy.ledger.seal import Seal


class Checkpoint(msgspec.Struct, frozen=True):
    """What windows held after an entry. `written`: as lines; `windows`: how many."""

    seq: int
    at_ms: int
    windows: int
    written: str

    @property
    def standing(self) -> Standing:
        """By window."""
        return lines.read_standing(self.written)


def write_checkpoint(seal: Seal, standing: Standing) -> Checkpoint:
    """The windows at this seal, as they are kept."""
    written = lines.write_standing(standing)
    return Checkpoint(seal.last_seq, seal.at_ms, written.count("\n"), written)
