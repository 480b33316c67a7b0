from tests.ledger.contract.budgets import test_rolling as asked
from tests.ledger.cycles.contract.borrowed import NOT_TOLD, ONE_UNIT, borrow

EXCEPTIONS = {
    NOT_TOLD: ("test_two_rolling_windows_of_one_scope_let_go_each_in_its_time",),
    ONE_UNIT: ("test_room_in_one_unit_rolls_no_window_of_another",),
}

globals().update(borrow(asked, EXCEPTIONS))
