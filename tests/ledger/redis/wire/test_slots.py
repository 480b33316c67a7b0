"""Which slot a key is in. The figures are of the cluster specification and of real servers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.ledger.redis.wire.address import Endpoint
from proxy.ledger.redis.wire.slots import read_owners, slot_of
from tests.servers.cluster import RunningCluster

ASKED = Endpoint("asked", 1)


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        ("123456789", 0x31C3),
        ("{123456789}x", 0x31C3),
        ("x{123456789}{y}", 0x31C3),
        ("", 0),
    ],
)
def test_a_slot_is_the_remainder_of_a_crc(key: str, slot: int) -> None:
    assert slot_of(key) == slot


@pytest.mark.parametrize(
    "key", ["{t:acme}:h", "{t:acme", "t}acme", "{}acme", "a{}b{c}", "{{x}}", "}{x}", "ключ{ж}"]
)
def test_a_server_counts_the_same(key: str, cluster: RunningCluster) -> None:
    assert cluster.masters[0].command("CLUSTER", "KEYSLOT", key) == slot_of(key)


@given(tenant=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="{}"), min_size=1))
def test_all_keys_of_a_tenant_share_a_slot(tenant: str) -> None:
    assert slot_of(f"{{t:{tenant}}}:budgets") == slot_of(f"{{t:{tenant}}}:journal{{x}}")


def test_the_map_names_the_master_of_each_slot() -> None:
    reply = [
        [0, 1, [b"a", 7, b"id", []], [b"replica", 9, b"id"]],
        [16383, 16383, [b"", 8, b"id"]],
        [5, 5, [None, 6, b"id"]],
        [6, 6, [b"?", 5, b"id"]],
    ]
    owners = read_owners(reply, ASKED)
    assert owners[:3] == [Endpoint("a", 7), Endpoint("a", 7), None]
    assert owners[16383] == Endpoint("asked", 8)
    assert owners[5:7] == [Endpoint("asked", 6), Endpoint("asked", 5)]
    assert len(owners) == 16384


@pytest.mark.parametrize(
    "reply",
    [
        None,
        b"OK",
        [[0]],
        [[0, 1, []]],
        [[0, 1, [b"a"]]],
        [[0, b"1", [b"a", 1]]],
        [[0, 1, [b"\xff", 1]]],
        [[0, 1, [7, 1]]],
        [[0, 16384, [b"a", 1]]],
        [[9, 2, [b"a", 1]]],
    ],
)
def test_what_is_no_map_is_refused(reply: object) -> None:
    with pytest.raises(ValueError, match="the store"):
        read_owners(reply, ASKED)
