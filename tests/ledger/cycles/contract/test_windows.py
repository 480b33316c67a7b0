from tests.ledger.contract import test_windows as asked
from tests.ledger.cycles.contract.borrowed import GROWTH, NOT_TOLD, borrow

EXCEPTIONS = {
    NOT_TOLD: (
        "test_a_day_ends_at_midnight_utc",
        "test_a_hold_settles_in_the_window_it_was_made_in",
        "test_several_windows_bind_one_scope",
        "test_a_day_ends_at_midnight_where_its_people_are",
        "test_one_scope_has_a_day_of_its_own_in_each_zone",
    ),
    GROWTH: ("test_a_hold_grows_in_the_window_it_was_made_in",),
}

globals().update(borrow(asked, EXCEPTIONS))
