from tests.ledger.contract import test_leases as asked
from tests.ledger.cycles.contract.borrowed import NO_DOUBT, borrow

EXCEPTIONS = {
    NO_DOUBT: (
        "test_a_lease_that_ends_unused_is_given_back_only_if_nothing_left",
        "test_a_sweep_ends_no_more_than_it_may",
        "test_an_extended_lease_is_not_swept",
        "test_extensions_run_out_where_there_is_a_limit",
        "test_the_proxy_settles_its_own_hold_even_after_the_lease",
        "test_a_sweep_counts_all_that_it_ends",
        "test_one_sweep_does_not_end_a_hold_that_it_has_just_found_lost",
        "test_a_crash_leaves_what_was_dispatched_uncertain_and_nothing_else",
        "test_a_clock_that_leaps_forward_costs_nobody_a_lease",
        "test_an_hour_is_no_leap",
    ),
}

globals().update(borrow(asked, EXCEPTIONS))
