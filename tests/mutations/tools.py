"""Edits of what the use of tools costs, risks and is limited to."""

from typing import Final

from tests.mutations.mutation import Mutation

_E2E: Final = "tests/e2e/tools"
_UNIT: Final = "tests/gateway/tools"

OF_TOOLS: Final = (
    Mutation(
        "charge the tools that were offered, whatever was called",
        "proxy/gateway/charge.py",
        "        used = charged_for(way.tools, calls_in(way.tools, answer))\n        try:\n"
        "            actual",
        "        used = way.for_tools\n        try:\n            actual",
        (
            f"{_E2E}/test_fees.py::test_an_answer_that_calls_no_tool_pays_for_none"
            "[/v1/chat/completions]",
        ),
    ),
    Mutation(
        "let risk points pay for a call",
        "proxy/ledger/rules/admission.py",
        "        limiting.add(Unit.RISK_POINTS)\n",
        "        pass\n",
        (
            "tests/ledger/rules/test_admission.py"
            "::test_risk_points_pay_for_what_asks_for_nothing_else",
            f"{_E2E}/test_risk.py::test_points_alone_let_no_call_pass",
        ),
    ),
    Mutation(
        "take the tools with the fewest points away first",
        "proxy/gateway/tools/dropping.py",
        "        reverse=True,\n",
        "        reverse=False,\n",
        (f"{_UNIT}/test_dropping.py::test_the_riskiest_go_until_the_rest_fits",),
    ),
    Mutation(
        "ask a budget in risk points once",
        "proxy/gateway/tools/dropping.py",
        "TRIES: Final = 3",
        "TRIES: Final = 2",
        (f"{_E2E}/test_risk.py::test_the_riskiest_tools_go_first_until_the_points_suffice",),
    ),
    Mutation(
        "take a slot that another call has taken",
        "proxy/gateway/tools/counting.py",
        "        return first == name\n",
        "        return True\n",
        (f"{_UNIT}/test_counting.py::test_proxies_that_count_at_once_take_a_slot_each",),
    ),
    Mutation(
        "count what a tool of a server is called as a call of the function of that name",
        "proxy/dialects/messages/answer.py",
        "    if kind == _MCP_USE:\n        return MCP_TOOLSET\n",
        "",
        (
            "tests/dialects/test_called_tools.py"
            "::test_a_message_calls_tools_of_the_caller_and_of_the_provider_and_results_call_none",
        ),
    ),
)
