from tests.ledger.contract import test_hold_errors as asked
from tests.ledger.cycles.contract.borrowed import NEVER_REFUSED, borrow

EXCEPTIONS = {
    NEVER_REFUSED: ("test_a_rejected_commit_leaves_the_hold_as_it_was",),
}

globals().update(borrow(asked, EXCEPTIONS))
