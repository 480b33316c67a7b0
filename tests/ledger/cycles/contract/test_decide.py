from tests.ledger.contract.protocol import test_decide as asked
from tests.ledger.cycles.contract.borrowed import FORESEEN, NO_DOUBT, REASONS, borrow

EXCEPTIONS = {
    FORESEEN: (
        "test_what_is_foreseen_is_what_is_then_held",
        "test_the_rung_that_fits_is_foreseen",
        "test_the_budgets_that_templates_would_make_are_foreseen",
        "test_a_window_that_has_not_begun_is_foreseen",
        "test_what_leaves_a_rolling_window_is_foreseen",
        "test_a_free_unit_is_in_no_forecast",
    ),
    NO_DOUBT: ("test_a_question_does_not_set_the_clock",),
    REASONS: (
        "test_who_has_no_budget_hears_so",
        "test_the_limit_of_templates_is_foreseen",
    ),
}

globals().update(borrow(asked, EXCEPTIONS))
