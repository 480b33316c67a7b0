"""Edits of what is read of calls and answers, beside those of chat completions."""

from typing import Final

from tests.mutations.mutation import Mutation

_RESPONSES: Final = "tests/e2e/endpoints/test_responses.py"
_EMBEDDED: Final = "tests/dialects/embeddings/test_embeddings_answer.py"
_COMPLETIONS: Final = "tests/e2e/endpoints/test_completions.py"
_LOOPS: Final = "tests/gateway/test_tool_loops.py"

OF_DIALECTS: Final = (
    Mutation(
        "let a loop of the provider run without an end",
        "proxy/gateway/shape.py",
        "            max_tool_calls=tool_calls,\n",
        "",
        (f"{_LOOPS}::test_a_loop_without_an_end_gets_one_which_is_no_cap",),
    ),
    Mutation(
        "read the context of a loop once, however often it turns",
        "pricing/bound.py",
        "            unseen_tokens = (rounds - 1) * (",
        "            unseen_tokens = (",
        (
            f"{_LOOPS}::test_each_call_more_is_held_with_its_fee_and_a_context",
            "tests/pricing/test_bound.py::test_a_round_that_finds_little_reads_little_more[None-1200]",
        ),
    ),
    Mutation(
        "charge every search that might have been made",
        "proxy/gateway/charge.py",
        "{**fees, **usage.tool_calls}",
        "{**usage.tool_calls, **fees}",
        (f"{_RESPONSES}::test_only_the_searches_that_were_made_are_paid_for[JSON]",),
    ),
    Mutation(
        "presume that a tool which nobody knows costs nothing",
        "proxy/dialects/responses/tools.py",
        'definition.get("type") not in _WITHOUT_FEE',
        'str(definition.get("type")).endswith("_search")',
        (f"{_LOOPS}::test_a_tool_whose_fee_nobody_lists_is_not_priced[a_tool_of_tomorrow]",),
    ),
    Mutation(
        "count a text again with each event that repeats it",
        "proxy/dialects/answer.py",
        "text[pieces.tell() :] if pieces is not None else text",
        "text",
        (
            "tests/dialects/responses/test_events.py::test_byte_by_byte_nothing_changes[LF]",
            "tests/dialects/responses/test_events.py::test_thoughts_and_refusals_are_heard_once",
        ),
    ),
    Mutation(
        "take the end of an item for the end of a response",
        "proxy/dialects/responses/events.py",
        '        self._is_over = self._is_over or text_or_none(event.get("type")) in _LAST\n',
        "        self._is_over = True\n",
        (
            "tests/dialects/responses/test_events.py::test_an_item_that_is_called_an_error_is_no_end",
        ),
    ),
    Mutation(
        "let a response be made in the background, where nobody meters it",
        "proxy/dialects/responses/request.py",
        "    _check_is_no_background(fields)\n",
        "",
        (
            "tests/dialects/responses/test_request.py"
            "::test_a_response_in_the_background_is_refused_with_a_hint",
        ),
    ),
    Mutation(
        "hold only the answers of a completion that are shown",
        "proxy/dialects/completions/request.py",
        "        n=paid * _prompts(fields),\n",
        "        n=shown * _prompts(fields),\n",
        (f"{_COMPLETIONS}::test_every_answer_that_was_not_the_best_is_paid_for_too",),
    ),
    Mutation(
        "charge what was delivered of a call that hides answers",
        "proxy/dialects/completions/request.py",
        "        hides_answers=paid > shown,\n",
        "",
        (f"{_COMPLETIONS}::test_without_usage_answers_that_nobody_sees_charge_the_hold",),
    ),
    Mutation(
        "leave the limit that an API presumes to the upstream",
        "proxy/gateway/shape.py",
        "length == asked and request.limit_field is not None and",
        "length == asked and",
        (f"{_COMPLETIONS}::test_without_a_limit_sixteen_tokens_are_held_and_asked_for",),
    ),
    Mutation(
        "take an array of tokens for one token",
        "pricing/bound.py",
        '"tokens", part.count,',
        '"tokens", 1,',
        (
            "tests/pricing/test_bound.py"
            "::test_tokens_are_as_many_as_the_caller_sent_whatever_the_model",
            "tests/e2e/endpoints/test_embeddings.py"
            "::test_two_tokens_of_the_small_model_are_four_microcents",
        ),
    ),
    Mutation(
        "take an embedding that was cut for a whole one",
        "proxy/dialects/embeddings/answer.py",
        "around if first < last and around.usage is not None else _Answer()",
        "around",
        (f"{_EMBEDDED}::test_cut_at_every_byte_it_is_never_complete_and_never_free[NaN]",),
    ),
    Mutation(
        "let a model that writes nothing write for nothing",
        "pricing/cost.py",
        "    if rates.output is None or rates.reasoning is None:\n",
        "    if rates.output is None or rates.reasoning is None:\n        return 0, 0\n",
        (
            "tests/pricing/test_cost.py"
            "::test_a_model_that_writes_nothing_has_no_price_for_what_it_writes",
            "tests/e2e/endpoints/test_embeddings.py"
            "::test_a_model_that_writes_nothing_is_no_model_for_a_chat",
        ),
    ),
)
