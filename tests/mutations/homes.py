"""Edits of what one home alone does to keep the promise of all: red there, green elsewhere."""

from typing import Final

from tests.mutations.mutation import CONTRACT, Mutation

STORE: Final = "tests/ledger/redis/home"

_GRANT: Final = """\
  local rung, amounts = admission.grant(list, plan, request.max_share_pct, free, {})
"""
_GRANT_ONE_BY_ONE: Final = """\
  for _, account in ipairs(list) do
    local _, held = admission.grant({account}, plan, request.max_share_pct, free, {})
    local record = cmsgpack.unpack(cmsgpack.pack(account.record))
    record.reserved = amount.kept(amount.plus(account.reserved, held[account.unit]))
    redis.call('HSET', books.hash, 'w:' .. account.number, cmsgpack.pack(record))
  end
"""

_WRITE: Final = """\
    redis.call('HSET', books.hash, unpack(values, first, math.min(first + 999, #values)))
  end
"""

OF_HOMES: Final = (
    Mutation(
        "debit a budget in the store before the last one is checked",
        "proxy/ledger/redis/lua/lib/fitting.lua",
        _GRANT,
        _GRANT_ONE_BY_ONE + _GRANT,
        (
            f"{CONTRACT}/test_refusals.py::test_a_refusal_changes_no_scope",
            f"{CONTRACT}/holds/test_units.py::test_what_one_unit_lacks_is_held_in_none",
        ),
    ),
    Mutation(
        "write what a refused script had begun",
        "proxy/ledger/redis/lua/lib/books.lua",
        "  if code == 'OK' then\n    write_all()\n    if view",
        "  if code ~= 'WRONG_WINDOW' then\n    write_all()\n    if view",
        (f"{CONTRACT}/budgets/test_declared.py::test_a_configuration_that_fails_changes_nothing",),
    ),
    Mutation(
        "answer a balance from what HINCRBY replies, a double",
        "proxy/ledger/redis/lua/lib/balances.lua",
        "      record.spent or '0',\n",
        "      redis.call('HSET', books.key('sum'), 'spent', record.spent or '0')\n"
        "        and string.format('%.0f', redis.call('HINCRBY', books.key('sum'), 'spent', 0)),\n",
        (
            f"{CONTRACT}/test_scale.py::test_every_step_is_exact_where_doubles_are_not",
            f"{STORE}/test_layout.py::test_amounts_are_exact_wherever_they_stand",
        ),
    ),
    Mutation(
        "give the budgets a TTL",
        "proxy/ledger/redis/lua/lib/books.lua",
        _WRITE,
        f"{_WRITE}  redis.call('PEXPIRE', books.hash, 86400000)\n",
        (f"{STORE}/test_layout.py::test_nothing_goes_by_itself",),
    ),
    Mutation(
        "choose the window by the clock of the caller",
        "proxy/ledger/redis/lua/lib/windows.lua",
        "    if window and window.start_ms <= books.now_ms and books.now_ms < window.end_ms then\n",
        "    if window then\n",
        (
            f"{STORE}/test_time.py::test_a_window_that_a_caller_made_up_is_not_believed",
            f"{STORE}/test_time.py::test_a_window_that_ends_while_it_is_told_is_told_again",
        ),
    ),
    Mutation(
        "end all leases that are over in one script",
        "proxy/ledger/redis/lua/upkeep/expire.lua",
        "'-inf', before, 'LIMIT', 0, limit)",
        "'-inf', before)",
        (
            f"{CONTRACT}/test_scale.py::test_very_many_holds_are_open_at_once",
            f"{STORE}/test_cost.py"
            "::test_a_run_of_the_sweep_costs_the_same_however_many_leases_are_over",
        ),
    ),
    Mutation(
        "drop a savepoint: a refusal keeps what its operation had begun",
        "proxy/ledger/sqlite/transaction.py",
        '            self._connection.execute("ROLLBACK TO operation")\n',
        "",
        (
            "tests/ledger/sqlite/test_transaction.py"
            "::test_an_operation_that_fails_takes_back_what_it_changed_and_nothing_else",
            f"{CONTRACT}/budgets/test_declared.py::test_a_configuration_that_fails_changes_nothing",
        ),
    ),
)
