"""What dead processes left is taken over by one that lives."""

from proxy.gateway.outbox.record import Damaged, Record, landable, read, written
from proxy.gateway.outbox.shelf import Shelf


def take_over(shelf: Shelf) -> tuple[list[Record], int]:
    """Move what was left onto this shelf; how many lines went to the quarantine.

    Raises:
        OSError: nothing was moved, or it lies on both shelves.
    """
    with shelf.orphans() as left:
        records, damaged = [], []
        for line in left.splitlines(keepends=True):
            try:
                records.append(read(line[:-1]))
            except Damaged:
                damaged.append(line)
        if damaged:
            shelf.set_aside(b"".join(damaged))
        told = landable(records)
        if told:
            shelf.append(b"".join(map(written, told)))
    return told, len(damaged)
