from tests.ledger.contract.holds import test_events as asked
from tests.ledger.cycles.contract.borrowed import KEYS, LATE, NOT_TOLD, REASONS, borrow

EXCEPTIONS = {
    NOT_TOLD: (
        "test_an_event_is_charged_in_every_budget_of_its_subject",
        "test_an_event_is_a_row_that_held_nothing",
        "test_an_event_makes_the_budgets_of_templates",
        "test_an_event_belongs_to_the_windows_of_its_moment",
    ),
    KEYS: ("test_a_key_is_of_one_event_or_one_hold",),
    REASONS: (
        "test_the_overage_rule_refuses_an_event_unless_it_is_spent",
        "test_a_stopped_budget_refuses_an_event_unless_it_is_spent",
        "test_an_event_without_a_budget_is_refused_unless_it_is_spent",
    ),
    LATE: ("test_an_event_that_was_estimated_is_brought_up_to_its_actual",),
}

globals().update(borrow(asked, EXCEPTIONS))
