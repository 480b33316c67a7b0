"""A line is what was written, or it is damaged: nothing between."""

from itertools import pairwise
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.money import Unit
from proxy.gateway.ending import Charged, GivenBack, LeftUncertain
from proxy.gateway.outbox.record import Damaged, Ended, Left, Record, Settle, read, written
from tests.gateway.outbox.rooms import spent

CHARGED = Charged({Unit.USD_MICROCENTS: 2**63 - 1, Unit.TOKENS: 20}, estimated=True, model="m\n")
RECORDS: list[Record] = [
    Settle("rsv_1", CHARGED),
    Settle("rsv_2", GivenBack()),
    Settle("rsv_3", LeftUncertain()),
    Left(spent("k")),
    Ended("k", spent("k")),
    Ended("k", None),
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    line = written(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert read(line[:-1]) == record


@pytest.mark.parametrize("record", RECORDS)
def test_a_line_that_was_cut_short_anywhere_is_damaged(record: Record) -> None:
    line = written(record)[:-1]
    for length in range(len(line)):
        with pytest.raises(Damaged):
            read(line[:length])


@given(st.data())
def test_a_line_with_one_other_byte_is_damaged(data: st.DataObject) -> None:
    line = bytearray(written(data.draw(st.sampled_from(RECORDS)))[:-1])
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Damaged):
        read(bytes(line))


@given(st.binary())
def test_anything_else_is_damaged(line: bytes) -> None:
    with pytest.raises(Damaged):
        read(line)


def test_two_lines_that_ran_into_each_other_are_damaged() -> None:
    for first, second in pairwise(map(written, RECORDS)):
        for length in range(1, len(first)):
            with pytest.raises(Damaged):
                read(first[:length] + second[:-1])


def test_a_whole_line_in_words_of_another_version_is_damaged() -> None:
    """Set aside, so that the version that knows them may read it."""
    document = b'{"type":"cancel","reservation_id":"r"}'
    with pytest.raises(Damaged):
        read(b"%08x %b" % (crc32(document), document))
