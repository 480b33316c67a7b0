from tests.ledger.contract import test_life as asked
from tests.ledger.cycles.contract.borrowed import GROWTH, LATE, NO_DOUBT, NOT_TOLD, borrow

EXCEPTIONS = {
    NOT_TOLD: (
        "test_a_hold_takes_room_in_every_budget_of_its_subject",
        "test_a_commit_charges_the_actual_and_gives_back_the_rest",
        "test_a_release_gives_back_everything",
    ),
    NO_DOUBT: (
        "test_only_a_person_gives_up_an_uncertain_hold",
        "test_dispatching_twice_is_dispatching_once",
        "test_an_uncertain_hold_does_not_make_a_budget_busy",
    ),
    GROWTH: (
        "test_a_hold_grows_in_all_its_budgets",
        "test_a_hold_grows_in_none_if_one_has_no_room",
        "test_a_free_hold_that_grows_holds_nothing",
    ),
    LATE: (
        "test_a_call_that_an_operator_gave_up_is_charged_when_its_cost_turns_up",
        "test_a_late_cost_is_never_refused",
        "test_a_lapsed_hold_is_ended_before_it_is_charged_late",
        "test_an_estimate_is_raised_to_the_actual_and_never_lowered",
    ),
}

globals().update(borrow(asked, EXCEPTIONS))
