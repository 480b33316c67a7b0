"""Edits of what is read of calls and answers, beside those of chat completions."""

from typing import Final

from tests.mutations.mutation import Mutation

_RESPONSES: Final = "tests/e2e/endpoints/test_responses.py"
_EMBEDDED: Final = "tests/dialects/embeddings/test_embeddings_answer.py"
_COMPLETIONS: Final = "tests/e2e/endpoints/test_completions.py"
_IMAGES: Final = "tests/e2e/endpoints/test_images.py"
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
        "{**calls, **usage.tool_calls}",
        "{**usage.tool_calls, **calls}",
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
    Mutation(
        "hold an image of any size at the cheapest",
        "pricing/drawing.py",
        "return max(fitting) + rule.text_tokens",
        "return min(fitting) + rule.text_tokens",
        (
            "tests/pricing/test_drawing.py::test_what_is_left_to_the_model_is_the_dearest_that_it_may_choose[gpt-image-1-auto-auto-6240]",
            f"{_IMAGES}::test_an_honest_bill_is_within_the_hold[asked3]",
        ),
    ),
    Mutation(
        "take what an answer leaves unsaid of an image for the cheapest",
        "pricing/card.py",
        "        return max(fees.values())\n",
        "        return min(fees.values())\n",
        (
            "tests/pricing/test_measures.py::test_what_is_not_known_of_an_image_is_the_dearest_it_can_be[-12000000]",
            f"{_IMAGES}::test_an_image_that_has_a_fee_is_held_and_charged_at_it[asked4-12000000]",
        ),
    ),
    Mutation(
        "price an image that came out as text",
        "proxy/dialects/images/usage.py",
        "output_image_tokens=all_output - text_out",
        "output_image_tokens=0",
        (
            "tests/dialects/images/test_image_answer.py::test_the_documented_answer",
            f"{_IMAGES}::test_an_honest_bill_is_within_the_hold[asked6]",
        ),
    ),
    Mutation(
        "hold for the images of a form that have come by now",
        "proxy/dialects/images/form.py",
        "max(seen, MAX_IMAGES_IN) + len",
        "seen + 0 * len",
        (
            "tests/dialects/images/test_image_form.py::test_while_a_form_is_still_coming_it_may_have_as_many_images_as_there_can_be",
            f"{_IMAGES}::test_an_edit_with_a_large_image_is_held_for_as_many_as_may_come",
        ),
    ),
    Mutation(
        "let images that have no fee cost nothing",
        "pricing/measures.py",
        "    if missing and not priced and not (has_tokens and card.standard):",
        "    if missing and not priced and has_tokens and not card.standard:",
        (
            "tests/pricing/test_measures.py::test_what_a_card_has_no_price_for_is_never_free[gpt-image-1-usage6]",
            f"{_IMAGES}::test_without_a_usage_that_can_be_all_that_was_held_is_charged[report0-False]",
        ),
    ),
)
