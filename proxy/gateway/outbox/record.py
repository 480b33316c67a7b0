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


class Settle(msgspec.Struct, frozen=True, tag="settle"):
    """A hold ends as its call did."""

    reservation_id: str
    sentence: Sentence


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
    """What a dead process has to tell: calls that left and ended are told by their end."""
    ended = {record.key for record in records if isinstance(record, Ended)}
    return [
        record
        for record in records
        if not isinstance(record, Left) or record.event.key not in ended
    ]


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
