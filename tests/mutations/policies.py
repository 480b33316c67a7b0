"""Edits of policies, of what they leave of a body, and of the counts of calls."""

from typing import Final

from tests.mutations.mutation import CONTRACT, Mutation

_CONDITIONS: Final = "tests/policies/test_conditions.py"
_CANDIDATES: Final = "tests/gateway/candidates"
_CALLS: Final = f"{CONTRACT}/budgets/test_calls.py"

OF_POLICIES: Final = (
    Mutation(
        "let one part of a condition be enough",
        "proxy/policies/conditions.py",
        "    return next((name for name, holds in checks if not holds()), None)",
        "    missing = [name for name, holds in checks if not holds()]\n"
        "    return missing[0] if len(missing) == len(checks) else None",
        (f"{_CONDITIONS}::test_all_that_is_given_has_to_hold_and_what_does_not_is_named",),
    ),
    Mutation(
        "take the first minute of a window for its rate",
        "proxy/policies/conditions.py",
        "max(elapsed_ms, within_ms) <=",
        "elapsed_ms <=",
        (f"{_CONDITIONS}::test_the_first_calls_of_a_window_say_nothing_yet",),
    ),
    Mutation(
        "count a prompt before policy has written its note",
        "proxy/gateway/estimate.py",
        "            bound = await self._counter.count(dialect, body.request, model.profile)",
        "            bound = await self._counter.count(dialect, request, model.profile)",
        (
            f"{_CANDIDATES}/test_bodies.py::test_a_note_is_part_of_what_is_counted",
            f"{_CANDIDATES}/test_shaped_cost.py"
            "::test_a_shaped_call_costs_at_most_its_hold_in_every_dialect",
        ),
    ),
    Mutation(
        "hold no fee for a deployment whose model searches by itself",
        "proxy/gateway/candidates/bodies.py",
        "return Body(self._dialect.asked_of(request, model.name), changed)",
        "return Body(request, changed)",
        (
            "tests/gateway/test_estimate.py"
            "::test_a_deployment_of_a_model_that_searches_is_held_with_the_search",
        ),
    ),
    Mutation(
        "charge a search for a function that is called one",
        "proxy/dialects/chat/request.py",
        "tool.name == WEB_SEARCH and tool.kind is ToolKind.BUILT_IN",
        "tool.name == WEB_SEARCH",
        (
            "tests/gateway/test_estimate.py"
            "::test_a_function_that_is_called_a_search_is_none_that_has_a_fee",
        ),
    ),
    Mutation(
        "ask a stand-in for what it cannot do",
        "proxy/gateway/estimate.py",
        "            if missing is not None and name != request.model:",
        "            if missing is not None and name == '':",
        (
            f"{_CANDIDATES}/test_lacking.py"
            "::test_a_policy_swaps_for_no_model_that_cannot_serve_the_call",
        ),
    ),
    Mutation(
        "limit a model that thinks unseen to less than a thought",
        "proxy/gateway/estimate.py",
        "self._degrade.min_reasoning_tokens if thinks else 0",
        "0",
        (f"{_CANDIDATES}/test_bodies.py::test_a_model_that_thinks_unseen_is_left_room_to_think",),
    ),
    Mutation(
        "call it busy when a run has no step left",
        "proxy/ledger/rules/admission.py",
        "    if balance.unit is not Unit.CALLS:\n        return Reason.BUDGET_EXCEEDED\n",
        "    if balance.reserved:\n        return Reason.BUDGET_EXCEEDED\n",
        (
            "tests/ledger/rules/test_admission.py"
            "::test_a_lack_of_calls_has_a_name_of_its_own_and_is_never_busy",
        ),
    ),
    Mutation(
        "let a count of calls pay for a call, in the file",
        "proxy/ledger/sqlite/operations/hold.py",
        "rules.covers([a.balance.unit for a in accounts], units)",
        "accounts",
        (f"{_CALLS}::test_a_count_of_calls_pays_for_none",),
    ),
    Mutation(
        "let a count of calls pay for a call, in the store",
        "proxy/ledger/redis/lua/lib/rows.lua",
        "  local limiting = {CALLS = true}\n",
        "  local limiting = {}\n",
        (f"{_CALLS}::test_a_count_of_calls_pays_for_none",),
    ),
    Mutation(
        "charge no step for a call that was made",
        "proxy/gateway/charge.py",
        "Unit.CALLS: held[Unit.CALLS]",
        "Unit.CALLS: 0",
        ("tests/e2e/degrade/test_pace.py::test_a_run_has_so_many_steps[a policy]",),
    ),
)
