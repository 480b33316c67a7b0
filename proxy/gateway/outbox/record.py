"""What waits for the ledger, and the lines in which a file keeps it. No input or output.

A line is the CRC-32 of a JSON document, a space, the document and a newline, so that a
line that a crash cut short, or a disk has changed, is not taken for what it is not. It
holds ids, amounts and the names of models: never a prompt, an answer or a credential.
"""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

import msgspec

from proxy.gateway.ending import Charged, Sentence
from proxy.ledger.records import Event


class Settle(msgspec.Struct, frozen=True, tag="settle", omit_defaults=True):
    """A hold ends as its call did.

    Of a hold that a ledger elsewhere may let go by itself: `event` charges it then, and
    `as_event` says that it has. `not_before_ms` is when that ledger wants to be asked again,
    by the machine's clock, since it has to outlive the process.
    """

    reservation_id: str
    sentence: Sentence
    event: Event | None = None
    as_event: bool = False
    not_before_ms: int = 0


class Left(msgspec.Struct, frozen=True, tag="left"):
    """A call leaves without a hold. If nobody says how it ended, `event` is charged."""

    event: Event


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """A call that left without a hold has ended; no `event`: it cost nothing."""

    key: str
    event: Event | None


Record = Settle | Left | Ended


def costs(record: Record) -> bool:
    """Whether somebody's spend is lost with the record."""
    match record:
        case Settle():
            return isinstance(record.sentence, Charged)
        case Left():
            return True
        case Ended():
            return record.event is not None


def landable(records: Sequence[Record]) -> list[Record]:
    """What a dead process has to tell.

    Calls that left and ended are told by their end, settlements that were amended as they
    were written last.
    """
    ended = {record.key for record in records if isinstance(record, Ended)}
    last = {record.reservation_id: record for record in records if isinstance(record, Settle)}
    told: list[Record] = []
    for record in records:
        match record:
            case Left() if record.event.key in ended:
                continue
            case Settle() if record.event is not None:
                amended = last.pop(record.reservation_id, None)
                if amended is not None:
                    told.append(amended)
            case _:
                told.append(record)
    return told


class Amended(Exception):
    """A record is told differently from now on. That has to be on the disk before it is."""

    def __init__(self, record: Settle) -> None:
        super().__init__()
        self.record = record


class Damaged(Exception):
    """A line is not what was written."""


_encode: Final = msgspec.json.Encoder().encode
_decoder: Final[msgspec.json.Decoder[Record]] = msgspec.json.Decoder(Record)
_CRC_DIGITS: Final = 8


def written(record: Record) -> bytes:
    """The line of a record, with its end."""
    document = _encode(record)
    return b"%08x %b\n" % (crc32(document), document)


def read(line: bytes) -> Record:
    """The record of a line without its end.

    Raises:
        Damaged: it was cut short or changed, or comes from a version that knew other words.
    """
    crc, space, document = line[:_CRC_DIGITS], line[_CRC_DIGITS : _CRC_DIGITS + 1], line[9:]
    if space != b" " or crc != b"%08x" % crc32(document):
        raise Damaged
    try:
        return _decoder.decode(document)
    except msgspec.DecodeError:
        raise Damaged from None
