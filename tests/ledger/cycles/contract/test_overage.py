from tests.ledger.contract import test_overage as asked
from tests.ledger.cycles.contract.borrowed import NEVER_REFUSED, borrow

EXCEPTIONS = {
    NEVER_REFUSED: (
        "test_an_overdraft_lends_up_to_its_limit",
        "test_a_full_overdraft_refuses_a_commit_over_the_protocol",
    ),
}

globals().update(borrow(asked, EXCEPTIONS))
