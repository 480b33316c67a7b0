"""Ids nobody can guess, in the order of time."""

import re

from proxy.app import id_at

NOW_MS = 1_795_000_000_000


def test_an_id_is_32_hex_digits() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", id_at(NOW_MS))


def test_ids_of_the_same_moment_differ_in_80_bits() -> None:
    ids = {id_at(NOW_MS) for _ in range(1_000)}
    assert len(ids) == 1_000
    assert {id_[:12] for id_ in ids} == {f"{NOW_MS:012x}"}
    assert all(len({id_[place] for id_ in ids}) == 16 for place in range(12, 32))


def test_ids_sort_by_their_time() -> None:
    """Else each would fall on another page of the ledger's indexes."""
    moments = (0, 1, 4_095, 4_096, NOW_MS, NOW_MS + 1)
    assert [int(id_[:12], 16) for id_ in sorted(map(id_at, reversed(moments)))] == list(moments)
