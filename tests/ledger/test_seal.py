"""An edit of a sealed entry is found by whoever kept a head, and old entries can go."""

import hashlib
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.domain.money import INT64_MAX, Unit
from proxy.domain.period import Period, Step
from proxy.domain.scope import Scope
from proxy.ledger.audit import Head
from proxy.ledger.journal import Amounts, Entry, Kind, Posting, WindowName
from proxy.ledger.lines import entry_line, read_standing, write_standing
from proxy.ledger.seal import (
    Seal,
    check_chain,
    check_entries,
    check_head,
    check_standing,
    close,
    is_checkpoint_due,
    standing_after,
)

DEV = WindowName(Scope("tenant:dev"), Unit.USD_MICROCENTS, Period.DAY, 0)
BOT = WindowName(Scope("tenant:dev/agent:bot"), Unit.TOKENS, Period.LIFETIME, 0)


def entry(seq: int, *, reserved: int = 5, actor: str = "", window: WindowName = DEV) -> Entry:
    return Entry(
        tenant="dev",
        seq=seq,
        at_ms=1_000 * seq,
        kind=Kind.RESERVE,
        reservation_id=f"rsv_{seq}",
        postings=(Posting(window, Amounts(reserved=reserved)),),
        scope=window.scope,
        actor=actor,
        trace_id="a" * 32,
        price_version="genai-prices 1",
    )


def entries(first: int, last: int) -> list[Entry]:
    return [entry(seq, window=DEV if seq % 2 else BOT) for seq in range(first, last + 1)]


def chain(*runs: Sequence[Entry]) -> list[Seal]:
    seals: list[Seal] = []
    for run in runs:
        before = seals[-1] if seals else None
        seals.append(
            close(before, run, standing_after(before.standing or {} if before else {}, run))
        )
    return seals


def test_a_line_of_an_export_is_the_same_for_ever() -> None:
    assert entry_line(entry(7, reserved=INT64_MAX, actor="ops")) == (
        b'{"tenant":"dev","seq":7,"at_ms":7000,"kind":"reserve","reservation_id":"rsv_7",'
        b'"scope":"tenant:dev","actor":"ops","trace_id":"' + b"a" * 32 + b'",'
        b'"price_version":"genai-prices 1","postings":[{"scope":"tenant:dev",'
        b'"unit":"USD_MICROCENTS","period":"day","window_start_ms":0,'
        b'"reserved":9223372036854775807}]}'
    )


def test_a_digest_can_be_recomputed_from_an_export_by_hand() -> None:
    (sealed,) = chain(entries(1, 3))
    lines = b"".join(entry_line(each) + b"\n" for each in entries(1, 3))
    standing = sorted(
        [
            b'{"scope":"tenant:dev","unit":"USD_MICROCENTS","period":"day",'
            b'"window_start_ms":0,"reserved":10}\n',
            b'{"scope":"tenant:dev/agent:bot","unit":"TOKENS","period":"lifetime",'
            b'"window_start_ms":0,"reserved":5}\n',
        ]
    )
    entries_sha256 = hashlib.sha256(lines).hexdigest()
    standing_sha256 = hashlib.sha256(b"".join(standing)).hexdigest()
    text = f"{'0' * 64} 1 3 {entries_sha256} {standing_sha256}"
    assert sealed.digest == hashlib.sha256(text.encode()).hexdigest()


def test_a_seal_says_what_its_entries_led_to() -> None:
    first, second = chain(entries(1, 4), entries(5, 6))
    assert first.standing == {DEV: Amounts(reserved=10), BOT: Amounts(reserved=10)}
    assert second.standing == {DEV: Amounts(reserved=15), BOT: Amounts(reserved=15)}
    assert (second.first_seq, second.last_seq, second.at_ms) == (5, 6, 6_000)


@pytest.mark.parametrize(
    "run",
    [[], entries(2, 3), [entry(1), entry(3)], [entry(1), entry(1)]],
    ids=["none", "not the next", "a gap", "twice"],
)
def test_only_the_entries_that_follow_are_sealed(run: list[Entry]) -> None:
    with pytest.raises(ValueError, match="entries that follow"):
        close(None, run, None)


EDITS: dict[str, Callable[[Entry], Entry]] = {
    "amount": lambda e: replaced(e, postings=(Posting(e.postings[0].window, Amounts(reserved=4)),)),
    "who": lambda e: replaced(e, actor="mallory"),
    "when": lambda e: replaced(e, at_ms=e.at_ms + 1),
    "what": lambda e: replaced(e, kind=Kind.GROW),
    "whose": lambda e: replaced(e, scope=Scope("tenant:dev/agent:other")),
    "trace": lambda e: replaced(e, trace_id="b" * 32),
    "price": lambda e: replaced(e, price_version="mine"),
    "hold": lambda e: replaced(e, reservation_id=None),
    "window": lambda e: replaced(
        e, postings=(Posting(BOT._replace(start_ms=1), e.postings[0].change),)
    ),
}


def replaced(entry: Entry, **fields: object) -> Entry:
    return Entry(**{name: getattr(entry, name) for name in Entry.__dataclass_fields__} | fields)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_entry_is_not_the_one_that_was_sealed(edit: Callable[[Entry], Entry]) -> None:
    (sealed,) = chain(entries(1, 5))
    edited = entries(1, 5)
    assert list(check_entries(sealed, edited)) == []
    edited[2] = edit(edited[2])
    (difference,) = check_entries(sealed, edited)
    assert difference.where == "journal of dev, entries 1 to 5"


@given(place=st.integers(0, 2), bit=st.integers(0, 255))
def test_whoever_seals_an_edit_anew_changes_every_later_head(place: int, bit: int) -> None:
    honest = chain(entries(1, 3), entries(4, 6), entries(7, 9))
    assert list(check_chain(honest)) == []
    forged_hex = f"{int(honest[place].entries_sha256, 16) ^ (1 << bit):064x}"
    forged = list(honest)
    forged[place] = replace(forged[place], entries_sha256=forged_hex)
    assert [each.what for each in check_chain(forged)] == ["digest"]
    edited = entries(1, 9)
    edited[3 * place] = replaced(edited[3 * place], actor=f"mallory {bit}")
    anew = chain(edited[:3], edited[3:6], edited[6:])
    assert list(check_chain(anew)) == []
    assert [a.digest == h.digest for a, h in zip(anew, honest, strict=True)] == (
        [True] * place + [False] * (3 - place)
    )


def test_a_chain_that_lost_its_oldest_seals_still_holds() -> None:
    honest = chain(entries(1, 3), entries(4, 6), entries(7, 9))
    kept = [replace(honest[1], standing=None), honest[2]]
    assert list(check_chain(kept)) == []
    assert [each.what for each in check_chain([honest[0], honest[2]])] == [
        "the seal before",
        "first entry",
    ]


def test_windows_put_into_a_seal_by_hand_are_found() -> None:
    (sealed,) = chain(entries(1, 3))
    forged = replace(sealed, standing={DEV: Amounts(reserved=1)})
    assert [each.what for each in check_chain([forged])] == ["windows"]


def test_lines_are_json_that_others_read() -> None:
    read = msgspec.json.decode(entry_line(entry(1)))
    assert read["postings"][0]["reserved"] == 5
    assert list(read)[:4] == ["tenant", "seq", "at_ms", "kind"]


amounts = st.builds(Amounts, *[st.integers(-INT64_MAX - 1, INT64_MAX)] * 6, st.sampled_from([0, 1]))
windows = st.builds(
    WindowName,
    st.sampled_from([Scope("tenant:dev"), Scope("tenant:dev/agent:a.b")]),
    st.sampled_from(Unit),
    st.sampled_from(
        [
            Period.LIFETIME,
            Period(Step.DAY, "Europe/Lisbon"),
            Period(Step.ROLLING, rolling_ms=86_400_000),
        ]
    ),
    st.integers(0, 10**14),
)


@given(standing=st.dictionaries(windows, amounts))
def test_what_stands_reads_as_it_was_written(standing: dict[WindowName, Amounts]) -> None:
    written = write_standing(standing)
    assert read_standing(written) == {w: a for w, a in standing.items() if any(a)}
    assert write_standing(read_standing(written)) == written


def test_a_checkpoint_waits_for_as_many_entries_as_the_last_one_had_windows() -> None:
    assert is_checkpoint_due(entries=1, windows=0)
    assert not is_checkpoint_due(entries=1_999, windows=2_000)
    assert is_checkpoint_due(entries=2_000, windows=2_000)


def test_a_seal_that_is_no_checkpoint_is_chained_all_the_same() -> None:
    first = close(None, entries(1, 2), None)
    second = close(first, entries(3, 4), standing_after({}, entries(1, 4)))
    assert (first.is_checkpoint, second.is_checkpoint) == (False, True)
    assert list(check_chain([first, second])) == []
    assert list(check_standing(first, {DEV: Amounts(reserved=9)})) == []
    assert [d.what for d in check_standing(second, {})] == ["windows"]


def test_a_kept_head_tells_whether_anything_before_it_was_changed() -> None:
    honest = chain(entries(1, 3), entries(4, 6), entries(7, 9))
    kept = honest[1].head
    assert kept == Head("dev", 6, honest[1].digest)
    assert check_head(honest, kept) is None
    assert check_head(honest[1:], kept) is None
    edited = entries(1, 9)
    edited[1] = replaced(edited[1], actor="mallory")
    anew = chain(edited[:3], edited[3:6], edited[6:])
    broken = [honest[0], honest[1], anew[2]]
    for seals, said in (
        ([], "no seals any more"),
        (honest[2:], "is gone"),
        (honest[:1], "no seal ends there"),
        (chain(entries(1, 5), entries(6, 9)), "no seal ends there"),
        (anew, "an entry before it was changed"),
        (broken, "chain from there on is broken"),
    ):
        assert said in (check_head(seals, kept) or "")
