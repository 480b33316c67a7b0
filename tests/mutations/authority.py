"""Edits of the authority, and the tests that they turn red."""

from tests.mutations.mutation import Mutation

OF_AUTHORITY = (
    Mutation(
        "let a key spend and look wherever it likes",
        "proxy/domain/key.py",
        "return not self.scope_filter or any(p.matches(scope) for p in self.scope_filter)",
        "return True",
        (
            "tests/authority/test_auth.py::test_a_key_spends_only_in_its_reach",
            "tests/authority/test_auth.py::test_a_key_sees_only_what_is_in_its_reach",
            "tests/gateway/test_identify.py::test_a_key_spends_only_where_its_filter_lets_it",
        ),
    ),
    Mutation(
        "write an amount below zero, which the protocol has not",
        "proxy/authority/rows.py",
        "        allocated=amount(balance.allocated) if balance.allocated >= 0 else UNSET,\n",
        "        allocated=amount(balance.allocated),\n",
        (
            "tests/authority/operations/test_balances.py"
            "::test_an_allocation_below_zero_is_left_out_and_what_remains_is_not",
        ),
    ),
    Mutation(
        "read the books of every tenant for one",
        "proxy/ledger/sqlite/accounts.py",
        " AND b.tenant = ifnull(?, b.tenant)",
        " AND ifnull(?, b.tenant) != ''",
        (
            "tests/ledger/contract/test_operators.py"
            "::test_the_budgets_of_one_tenant_are_those_of_all_that_are_its_own",
        ),
    ),
    Mutation(
        "ask a key for no permission",
        "proxy/authority/plane.py",
        "            access.require(operation.permission)\n",
        "            pass\n",
        ("tests/authority/test_auth.py::test_an_operation_needs_its_permission_and_no_other",),
    ),
    Mutation(
        "let a client settle a call of the proxy",
        "proxy/authority/operations/settle.py",
        "    if row.on_expiry is OnExpiry.UNCERTAIN:\n",
        "    if False:\n",
        ("tests/authority/operations/test_settle.py::test_nobody_ends_a_call_of_the_proxy_here",),
    ),
    Mutation(
        "compare the payload as it was sent, its defaults and tenant as they were left out",
        "proxy/authority/operations/reserve.py",
        "request = msgspec.structs.replace(request, subject=spender.wire)\n",
        "\n",
        (
            "tests/authority/operations/test_replays.py::test_a_default_that_is_spelled_out_is_the_same_payload",
        ),
    ),
    Mutation(
        "show what has expired",
        "proxy/authority/operations/listing.py",
        "    if row.state is State.EXPIRED:\n        raise ReservationExpired\n",
        "",
        (
            "tests/authority/operations/test_listing.py::test_what_has_expired_is_in_lists_only",
            "tests/authority/test_errors.py::test_each_condition_has_its_code_and_status",
        ),
    ),
    Mutation(
        "hold what a child spends in its parent's budgets as well",
        "proxy/domain/scope.py",
        "scopes = _beside_purse(derive(subject), subject.dimensions.get(RUN), Scope(purse))",
        "scopes = (*_places(subject), Scope(purse))",
        (
            "tests/authority/sub_budgets/test_carving.py::test_a_child_is_never_held_by_the_parent_a_second_time",
            "tests/authority/sub_budgets/test_lives.py::test_no_order_of_things_counts_anything_twice",
        ),
    ),
    Mutation(
        "charge a parent while calls of its child are under way",
        "proxy/authority/sub_budgets/closing.py",
        "        if any(balance.reserved for balance in balances):\n            return False\n",
        "",
        (
            "tests/authority/sub_budgets/test_closing.py::test_it_waits_for_what_is_held_and_holds_nothing_new",
            "tests/authority/sub_budgets/test_lives.py::test_no_order_of_things_counts_anything_twice",
        ),
    ),
    Mutation(
        "give back a sub-budget that nobody closed in time, and forget what was spent from it",
        "proxy/authority/sub_budgets/closing.py",
        "        if row.state is not State.COMMITTED and any(spent.values()):\n",
        "        if False:\n",
        (
            "tests/authority/sub_budgets/test_closing.py::test_beyond_its_grace_the_parent_is_charged_late",
        ),
    ),
    Mutation(
        "fill a purse again each time that it is asked for",
        "proxy/authority/sub_budgets/carving.py",
        "actor=ACTOR, key=_FILL_KEY)",
        "actor=ACTOR)",
        (
            "tests/authority/sub_budgets/test_carving.py::test_asked_for_again_it_is_the_same_one_with_the_same_key",
        ),
    ),
    Mutation(
        "let a client say from which purse it pays",
        "proxy/cycles_wire/subjects.py",
        "    for name in (PURSE, STEPS):\n",
        "    for name in ():\n",
        ("tests/authority/sub_budgets/test_carving.py::test_no_client_names_a_purse",),
    ),
)
