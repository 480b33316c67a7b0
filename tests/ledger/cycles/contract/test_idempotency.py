from tests.ledger.contract import test_idempotency as asked
from tests.ledger.cycles.contract.borrowed import GROWTH, KEYS, LATE, TENANTS, borrow

EXCEPTIONS = {
    KEYS: (
        "test_another_payload_is_a_mismatch",
        "test_a_key_of_one_operation_is_no_key_of_another",
    ),
    TENANTS: ("test_another_tenant_may_use_the_same_key",),
    GROWTH: ("test_growing_is_answered_again_and_done_once",),
    LATE: ("test_a_late_charge_is_answered_again_and_done_once",),
}

globals().update(borrow(asked, EXCEPTIONS))
