"""Edits of what keeps settlements while the ledger is away."""

from typing import Final

from tests.mutations.mutation import Mutation

OUTBOX: Final = "tests/gateway/outbox"
LANDED_AGAIN: Final = (
    f"{OUTBOX}/test_landing.py"
    "::test_a_record_that_is_landed_again_is_charged_once_and_answered_the_same"
)

OF_OUTBOX: Final = (
    Mutation(
        "let a call leave without a hold before that is on the disk",
        "proxy/gateway/outbox/outbox.py",
        "            await self._write()\n            is_kept = left.is_kept\n",
        "            is_kept = True\n",
        (
            f"{OUTBOX}/test_unheld.py::test_it_leaves_only_when_that_is_on_the_disk",
            f"{OUTBOX}/test_unheld.py::test_one_that_cannot_be_written_down_does_not_leave",
        ),
    ),
    Mutation(
        "say that the disk has a record without a flush",
        "proxy/gateway/outbox/shelf.py",
        "    os.fsync(descriptor)\n\n\nclass Shelf",
        "\n\nclass Shelf",
        (f"{OUTBOX}/test_shelf.py::test_the_disk_has_it_when_that_is_said",),
    ),
    Mutation(
        "land a settlement under a new key each time",
        "proxy/gateway/outbox/landing.py",
        '        key = f"{record.reservation_id}/settle"\n',
        "        key = f\"{record.reservation_id}/{__import__('uuid').uuid4()}\"\n",
        (
            "tests/gateway/test_settle.py::"
            "test_while_the_ledger_is_away_the_same_key_is_tried_until_it_lands",
            LANDED_AGAIN,
        ),
    ),
    Mutation(
        "charge a call that left without a hold under a new key each time",
        "proxy/gateway/outbox/landing.py",
        "        return (await self._ledger.apply(event)).settlement\n",
        "        import uuid\n\n"
        "        from msgspec.structs import replace\n\n"
        "        again = replace(event, key=str(uuid.uuid4()))\n"
        "        return (await self._ledger.apply(again)).settlement\n",
        (LANDED_AGAIN,),
    ),
)
