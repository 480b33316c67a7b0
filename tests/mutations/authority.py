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
)
