from tests.ledger.contract.protocol import test_tenants as asked
from tests.ledger.cycles.contract.borrowed import GROWTH, KEYS, NO_DOUBT, ONE_UNIT, TENANTS, borrow

EXCEPTIONS = {
    TENANTS: (
        "test_a_stopped_tenant_gets_no_new_hold",
        "test_a_stopped_tenant_gets_no_larger_hold",
        "test_what_a_budget_would_say_comes_after_the_tenant",
        "test_the_other_tenants_go_on",
        "test_a_hold_that_has_not_left_may_leave_after_its_tenant_was_stopped",
        "test_whoever_is_let_go_on_goes_on",
    ),
    GROWTH: ("test_the_closed_tenant_is_told_before_the_state_of_its_hold",),
    KEYS: ("test_another_payload_is_a_mismatch_in_a_closed_tenant_too",),
    NO_DOUBT: ("test_what_the_proxy_has_sent_is_charged_whatever_its_tenant_is",),
    ONE_UNIT: ("test_the_units_of_a_commit_come_after_the_closed_tenant",),
}

globals().update(borrow(asked, EXCEPTIONS))
