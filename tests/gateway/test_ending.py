"""The settlement table: every way a call can end, and what that does to its hold."""

import pytest

from proxy.gateway.ending import (
    Charge,
    Commit,
    Ending,
    KeepUncertain,
    Outcome,
    Release,
    Verdict,
    judge,
)

BROKEN_STREAM = Ending(Outcome.BROKEN, status=200, answer_bytes=10, streamed=True)
BROKEN_JSON = Ending(Outcome.BROKEN, status=200, answer_bytes=10)
COMPLETE = Ending(Outcome.COMPLETE, status=200, answer_bytes=10)

OPEN_OUTPUT = [
    (Ending(Outcome.NOT_SENT), Release()),
    (Ending(Outcome.NO_STATUS), KeepUncertain()),
    (Ending(Outcome.REFUSED, status=400), Release()),
    (Ending(Outcome.REFUSED, status=429), Release()),
    (Ending(Outcome.REFUSED, status=408), Commit(Charge.HOLD)),
    (Ending(Outcome.REFUSED, status=400, is_filtered=True), Commit(Charge.HOLD)),
    (Ending(Outcome.FAILED, status=500), Release()),
    (Ending(Outcome.COMPLETE, status=200, has_usage=True), Commit(Charge.USAGE)),
    (COMPLETE, Commit(Charge.COUNTED)),
    (BROKEN_STREAM, Commit(Charge.COUNTED)),
    (
        Ending(Outcome.BROKEN, status=200, answer_bytes=9, streamed=True, has_usage=True),
        Commit(Charge.USAGE_OR_COUNTED),
    ),
    (Ending(Outcome.BROKEN, status=200, answer_bytes=0, streamed=True), KeepUncertain()),
    (BROKEN_JSON, KeepUncertain()),
    (Ending(Outcome.BROKEN, status=500, answer_bytes=9), KeepUncertain()),
]


@pytest.mark.parametrize(("ending", "verdict"), OPEN_OUTPUT)
def test_a_model_that_shows_all_its_output_is_settled_by_the_table(
    ending: Ending, verdict: Verdict
) -> None:
    assert judge(ending, hidden_output=False, missing_usage="counted") == verdict


HIDDEN_OUTPUT = [
    (COMPLETE, Commit(Charge.HOLD)),
    (BROKEN_STREAM, KeepUncertain()),
    (BROKEN_JSON, KeepUncertain()),
    (Ending(Outcome.COMPLETE, status=200, has_usage=True), Commit(Charge.USAGE)),
    (Ending(Outcome.FAILED, status=503), Release()),
]


@pytest.mark.parametrize(("ending", "verdict"), HIDDEN_OUTPUT)
def test_counting_is_never_enough_for_a_model_with_hidden_output(
    ending: Ending, verdict: Verdict
) -> None:
    assert judge(ending, hidden_output=True, missing_usage="counted") == verdict


def test_a_missing_usage_report_can_be_charged_the_hold() -> None:
    assert judge(COMPLETE, hidden_output=False, missing_usage="hold") == Commit(Charge.HOLD)


def test_only_a_usage_report_is_not_an_estimate() -> None:
    assert [charge for charge in Charge if not Commit(charge).estimated] == [Charge.USAGE]


@pytest.mark.parametrize("outcome", set(Outcome) - {Outcome.NOT_SENT, Outcome.REFUSED})
def test_what_left_is_free_only_after_a_whole_failure(outcome: Outcome) -> None:
    """Semantics 1.3: a hang-up, a cut or a lost reply never ends a hold in favour of free."""
    verdict = judge(
        Ending(outcome, status=200, answer_bytes=1, streamed=True),
        hidden_output=False,
        missing_usage="counted",
    )
    assert isinstance(verdict, Release) == (outcome is Outcome.FAILED)
