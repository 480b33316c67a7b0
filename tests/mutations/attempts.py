"""Edits of what is sent again, where, and under which hold."""

from typing import Final

from tests.mutations.mutation import Mutation

RETRIES: Final = "tests/gateway/attempts/test_retries.py"
LIVES: Final = "tests/simulation/test_attempts.py"
FALLBACK: Final = "tests/e2e/attempts/test_fallback.py"
KEYS: Final = "tests/e2e/attempts/test_keys.py"

OF_ATTEMPTS: Final = (
    Mutation(
        "send again what broke off",
        "proxy/gateway/attempts/retries.py",
        "case Outcome.REFUSED | Outcome.FAILED:",
        "case Outcome.REFUSED | Outcome.FAILED | Outcome.BROKEN:",
        (f"{RETRIES}::test_only_what_failed_as_a_whole_is_sent_again",),
    ),
    Mutation(
        "send again under its key what may have been billed",
        "proxy/gateway/attempts/retries.py",
        "return rules.after_no_status and not has_key",
        "return rules.after_no_status",
        (f"{KEYS}::test_what_may_have_been_billed_is_not_sent_again_under_a_key",),
    ),
    Mutation(
        "make an attempt under the name of the one before",
        "proxy/gateway/attempts/call.py",
        "{before + number}",
        "{before + 1}",
        (f"{KEYS}::test_each_attempt_is_held_under_the_key_and_the_answer_is_given_again[JSON]",),
    ),
    Mutation(
        "wait as long as an upstream asks for",
        "proxy/gateway/attempts/retries.py",
        "return asked_ms if asked_ms <= rules.max_wait_ms else None",
        "return asked_ms",
        (f"{RETRIES}::test_who_wants_to_be_left_alone_for_longer_is_not_asked_again",),
    ),
    Mutation(
        "ask one upstream for ever",
        "proxy/gateway/attempts/course.py",
        "if made < rules.max_attempts:",
        "if made <= rules.max_attempts:",
        (
            "tests/gateway/attempts/test_course.py::test_there_is_a_last_attempt_whatever_comes_of_them",
            f"{LIVES}::test_by_default_no_call_is_sent_twice",
        ),
    ),
    Mutation(
        "tell the caller of the budget that had no room for one more attempt",
        "proxy/gateway/pipeline.py",
        "turn = course.elsewhere() if refused.reason in _OF_ITS_UPSTREAM else None",
        "raise",
        (f"{FALLBACK}::test_a_budget_without_room_for_the_dearer_stand_in_lets_the_error_stand",),
    ),
    Mutation(
        "send once more for a caller who left in the pause",
        "proxy/gateway/attempts/pause.py",
        "return not door.gone",
        "return True",
        (
            "tests/gateway/attempts/test_pause.py::test_a_pause_lasts_as_long_as_it_is_told_or_as_its_caller_stays",
        ),
    ),
    Mutation(
        "let a call for a deployment go wherever its model is served",
        "proxy/gateway/routes.py",
        "            return self.instead_of.has_deployment(name, model)\n",
        "            pass\n",
        (
            "tests/gateway/attempts/test_course.py::test_a_call_for_a_deployment_goes_to_who_stands_in_for_where_that_is",
        ),
    ),
)
