from tests.ledger.contract import test_refusals as asked
from tests.ledger.cycles.contract.borrowed import NOT_TOLD, REASONS, borrow

EXCEPTIONS = {
    NOT_TOLD: ("test_a_message_names_scope_amounts_and_reset",),
    REASONS: (
        "test_the_first_failing_scope_names_the_refusal",
        "test_a_subject_without_a_budget_is_refused",
        "test_a_subject_without_a_level_is_refused",
        "test_a_free_call_goes_through_when_the_money_is_gone",
        "test_a_free_call_needs_no_budget",
        "test_what_was_billed_for_a_free_call_is_shown",
    ),
}

globals().update(borrow(asked, EXCEPTIONS))
