"""The edits. The first eleven are those that semantics 9 names for the spine."""

from typing import Final

from tests.mutations.attempts import OF_ATTEMPTS
from tests.mutations.audio import OF_AUDIO
from tests.mutations.authority import OF_AUTHORITY
from tests.mutations.cycles import OF_CYCLES
from tests.mutations.dialects import OF_DIALECTS
from tests.mutations.homes import OF_HOMES
from tests.mutations.mutation import CONTRACT, Mutation
from tests.mutations.outbox import OF_OUTBOX
from tests.mutations.policies import OF_POLICIES
from tests.mutations.sockets import OF_SOCKETS
from tests.mutations.streams import OF_STREAMS
from tests.mutations.tools import OF_TOOLS
from tests.mutations.upstreams import OF_UPSTREAMS
from tests.mutations.wire import OF_WIRE

SIMULATION: Final = "tests/simulation/test_simulation.py::test_no_life_breaks_the_promise[0]"
EVERY_AWAIT: Final = "tests/simulation/test_every_await.py"
ONE_THING: Final = "tests/simulation/test_interference.py"
ENDING: Final = "tests/gateway/test_ending.py"
SETTLE: Final = "tests/gateway/test_settle.py"


MUTATIONS: Final = (
    Mutation(
        "hold for one answer, whatever n is",
        "pricing/cost.py",
        'answers = terms["n"]',
        "answers = 1",
        (
            "tests/pricing/test_hold.py::test_a_hold_affords_the_length_it_was_made_for",
            f"{EVERY_AWAIT}::test_an_undisturbed_call_is_charged_its_bill",
        ),
    ),
    Mutation(
        "price the prompt of a hold at the cache-read rate",
        "pricing/cost.py",
        "text * bound.text_tokens",
        "rates.cache_read * bound.text_tokens",
        ("tests/pricing/test_hold.py::test_cache_reads_never_lower_a_hold",),
    ),
    Mutation(
        "skip the innermost scope",
        "proxy/ledger/sqlite/operations/hold.py",
        "accounts = budgets_of(transaction, budget_scopes(request.subject), units)",
        "scopes = budget_scopes(request.subject)\n"
        "    accounts = budgets_of(transaction, scopes[:-1] or scopes, units)",
        (
            f"{CONTRACT}/test_refusals.py::test_the_first_failing_scope_names_the_refusal",
            f"{EVERY_AWAIT}::test_an_undisturbed_call_is_charged_its_bill",
        ),
    ),
    Mutation(
        "commit a hold twice",
        "proxy/ledger/sqlite/operations/settle.py",
        "    _check_open(transaction, hold, Kind.COMMIT)\n",
        "",
        (f"{CONTRACT}/test_hold_errors.py::test_a_hold_says_no", SIMULATION),
    ),
    Mutation(
        "release the hold of an answer that was cut",
        "proxy/gateway/ending.py",
        "                return KeepUncertain()\n            return Commit(Charge.USAGE_OR",
        "                return Release()\n            return Commit(Charge.USAGE_OR",
        (
            f"{ENDING}::test_a_model_that_shows_all_its_output_is_settled_by_the_table",
            f"{EVERY_AWAIT}::test_a_caller_may_leave_at_every_wait",
        ),
    ),
    Mutation(
        "swallow the cancellation of a call",
        "proxy/gateway/meter.py",
        "                    answer.abort()\n        except BrokenOff:",
        "                    answer.abort()\n        except (BrokenOff, asyncio.CancelledError):",
        (f"{EVERY_AWAIT}::test_the_server_may_cancel_a_call_at_every_wait",),
    ),
    Mutation(
        "read usage only from a chunk of its own",
        "proxy/dialects/chat/events.py",
        "        if not isinstance(chunk, dict) or reported is None:",
        '        if not isinstance(chunk, dict) or reported is None or chunk.get("choices"):',
        ("tests/dialects/chat/test_events.py::test_of_usage_on_every_chunk_the_last_counts",),
    ),
    Mutation(
        "refuse what fits to the last microcent",
        "proxy/ledger/rules/admission.py",
        "    if remaining < required:",
        "    if remaining <= required:",
        ("tests/ledger/rules/test_admission.py::test_the_first_rung_that_fits_is_held",),
    ),
    Mutation(
        "compute a price in floats",
        "pricing/cost.py",
        "-(-amount * multiplier.numerator // (card.denominator * multiplier.denominator))",
        "-int(-amount * multiplier.numerator / (card.denominator * multiplier.denominator) // 1)",
        ("tests/architecture/test_tidy.py::test_money_is_never_a_float",),
    ),
    Mutation(
        "tell the ledger's time by the machine's clock, wherever it steps",
        "proxy/ledger/sqlite/clock.py",
        "return Moment(recorded_ms, 0)",
        "return Moment(wall_ms, 0)",
        (f"{CONTRACT}/test_leases.py::test_a_clock_that_steps_back_stands_still",),
    ),
    Mutation(
        "sweep an uncertain hold",
        "proxy/ledger/sqlite/operations/sweep.py",
        "charge(transaction, one.hold, one.hold.amounts, estimate, actor=SETTLER)",
        "give_back(transaction, one.hold, Kind.RELEASE, actor=SETTLER)",
        (
            f"{CONTRACT}/test_leases.py::test_what_stays_uncertain_is_charged_in_full_as_an_estimate",
            f"{EVERY_AWAIT}::test_the_process_may_die_at_every_wait",
        ),
    ),
    Mutation(
        "grant a rung that does not fit",
        "proxy/ledger/rules/admission.py",
        "amounts[unit] <= remaining for",
        "amounts[unit] <= remaining + 1 for",
        ("tests/ledger/rules/test_admission.py::test_the_first_rung_that_fits_is_held",),
    ),
    Mutation(
        "send a call without recording its dispatch",
        "proxy/gateway/attempts/attempt.py",
        "            await steps.ledger.dispatch(held.reservation_id)\n",
        "            pass\n",
        (f"{EVERY_AWAIT}::test_an_undisturbed_call_is_charged_its_bill",),
    ),
    Mutation(
        "forget a hold that waits for its upstream",
        "proxy/gateway/reserve.py",
        "        self._leases.keep(grant.reservation_id)\n",
        "",
        (f"{EVERY_AWAIT}::test_an_undisturbed_call_is_charged_its_bill",),
    ),
    Mutation(
        "settle once, and never again when the ledger was away",
        "proxy/gateway/outbox/outbox.py",
        "                    self._outage.began(str(failure))\n            if",
        "                    return\n            if",
        (
            f"{SETTLE}::test_while_the_ledger_is_away_the_same_key_is_tried_until_it_lands",
            f"{ONE_THING}::test_a_lease_that_runs_out_changes_no_charge",
        ),
    ),
    Mutation(
        "release after a crash what was dispatched",
        "proxy/ledger/rules/life.py",
        "return Kind.MARK_UNCERTAIN if dispatched else Kind.RELEASE",
        "return Kind.RELEASE",
        (
            "tests/ledger/rules/test_life.py::test_the_end_of_a_lease_never_gives_back_what_may_be_billed",
        ),
    ),
    Mutation(
        "forget what no budget could fund",
        "proxy/ledger/rules/settlement.py",
        "return excess - funded, changes",
        "return 0, changes",
        ("tests/ledger/rules/test_settlement.py::test_overage", SIMULATION),
    ),
    Mutation(
        "charge the model that was asked for, not the one that served",
        "proxy/gateway/charge.py",
        "if named is None or named == way.model.name:",
        "if True:",
        (f"{ONE_THING}::test_a_bill_beyond_the_hold_is_charged",),
    ),
    Mutation(
        "take the usage of an answer that was cut for all it used",
        "proxy/gateway/ending.py",
        "Charge.USAGE_OR_COUNTED if ending.has_usage",
        "Charge.USAGE if ending.has_usage",
        (f"{ENDING}::test_a_model_that_shows_all_its_output_is_settled_by_the_table",),
    ),
    Mutation(
        "count framing beyond the limit of an answer",
        "proxy/gateway/charge.py",
        "max(tokens, min(tokens + choices * _TOKENS_PER_CHOICE, allowed))",
        "tokens + choices * _TOKENS_PER_CHOICE",
        (f"{EVERY_AWAIT}::test_a_caller_may_leave_at_every_wait",),
    ),
    Mutation(
        "charge a hold for a missing report, though more was delivered",
        "proxy/gateway/charge.py",
        "            least = {unit: max(held[unit], amount) for unit, amount in least.items()}\n",
        "            return held\n",
        (f"{ONE_THING}::test_a_bill_beyond_the_hold_is_charged",),
    ),
    Mutation(
        "leave the upstream running when the caller of a stream has left",
        "proxy/gateway/stream/relay.py",
        '        if self._disconnects.on_disconnect == "abort":\n            self._answer.abort()',
        '        if self._disconnects.on_disconnect == "abort":\n            pass',
        (f"{EVERY_AWAIT}::test_a_caller_may_leave_at_every_wait",),
    ),
    Mutation(
        "give nothing back to an uncertain hold that turns out to be free",
        "proxy/gateway/outbox/landing.py",
        "ReservationFinalized):\n            # Its lease",
        "ReservationFinalized):\n            raise\n            # Its lease",
        (f"{ONE_THING}::test_a_lease_that_runs_out_changes_no_charge",),
    ),
    Mutation(
        "call a late estimate a bill",
        "proxy/ledger/sqlite/operations/settle.py",
        "is_estimate = estimated or any(",
        "is_estimate = any(",
        (f"{ONE_THING}::test_a_hold_that_an_operator_gave_back_is_charged_all_the_same",),
    ),
    Mutation(
        "take a JSON answer that stops after a brace for whole",
        "proxy/gateway/meter.py",
        'plain.lstrip()[:1] == b"{" and read_leniently(plain) is None',
        'plain.lstrip()[:1] == b"{" and plain.rstrip()[-1:] != b"}"',
        (f"{ONE_THING}::test_an_answer_that_stops_silently_is_whole_nowhere",),
    ),
    Mutation(
        "release a call that the provider timed out on",
        "proxy/gateway/ending.py",
        "REQUEST_TIMEOUT = 408",
        "REQUEST_TIMEOUT = 0",
        (f"{ENDING}::test_a_model_that_shows_all_its_output_is_settled_by_the_table",),
    ),
    Mutation(
        "send for a caller who has left",
        "proxy/gateway/attempts/attempt.py",
        "            if call.door.gone:\n                raise ClientGone\n",
        "",
        (f"{EVERY_AWAIT}::test_a_caller_may_leave_at_every_wait",),
    ),
    Mutation(
        "keep a connection whose call was cancelled",
        "proxy/gateway/attempts/attempt.py",
        "        except BaseException:\n            line.release()\n            raise",
        "        except ClientGone:\n            line.release()\n            raise",
        (f"{EVERY_AWAIT}::test_the_server_may_cancel_a_call_at_every_wait",),
    ),
    Mutation(
        "answer without knowing that the transaction was committed",
        "proxy/ledger/sqlite/batch.py",
        '    connection.execute("COMMIT")\n',
        '    try:\n        connection.execute("COMMIT")\n    except sqlite3.Error:\n        pass\n',
        (f"{EVERY_AWAIT}::test_every_statement_of_the_ledger_may_fail",),
    ),
    Mutation(
        "make as many budgets from templates as calls ask for",
        "proxy/ledger/sqlite/accounts.py",
        "if made + len(new) > templates_max:",
        "if False:",
        (f"{CONTRACT}/budgets/test_templates.py::test_templates_make_no_more_than_they_may",),
    ),
    Mutation(
        "keep what was spent in a rolling window for ever",
        "proxy/ledger/sqlite/operations/arrears.py",
        "        if left:\n",
        "        if False:\n",
        (
            f"{CONTRACT}/budgets/test_rolling.py::test_debt_that_only_time_pays_does_not_block_for_ever",
        ),
    ),
    Mutation(
        "look at the budgets of the wish in one unit only",
        "proxy/ledger/sqlite/accounts.py",
        "            if account.balance.unit in units:\n",
        "            if account.balance.unit is units[0]:\n",
        (f"{CONTRACT}/holds/test_units.py::test_a_hold_is_in_every_budget_of_each_of_its_units",),
    ),
    Mutation(
        "write on into a file that was moved away",
        "proxy/ledger/sqlite/file/connection.py",
        "if self._find() != self._identity:",
        "if False:",
        (
            "tests/ledger/sqlite/test_failures.py::test_a_file_that_was_moved_away_is_waited_for",
            "tests/e2e/test_ledger.py::test_while_the_file_is_away_no_call_leaves",
        ),
    ),
    Mutation(
        "let every user of the machine read the ledger",
        "proxy/ledger/sqlite/file/connection.py",
        "os.O_EXCL, 0o600",
        "os.O_EXCL, 0o644",
        ("tests/ledger/sqlite/test_sharing.py::test_a_new_ledger_is_for_its_owner_alone",),
    ),
    Mutation(
        "let a call ask before those who wait for the same budget",
        "proxy/gateway/runtime/queue.py",
        "if line is not None and line.places[0].number < place.number:",
        "if False:",
        (
            "tests/gateway/queue/test_rules.py::test_a_smaller_call_does_not_overtake",
            "tests/gateway/queue/test_property.py::test_any_calls_wait_in_order_and_not_for_nothing",
        ),
    ),
    Mutation(
        "miss the room that is made while a refusal is on its way",
        "proxy/gateway/runtime/queue.py",
        "            if not budgets.isdisjoint(place.budgets):\n",
        "            if False:\n",
        (
            "tests/gateway/queue/test_rules.py::test_room_that_is_made_while_the_answer_is_on_its_way_is_not_missed",
        ),
    ),
    Mutation(
        "keep the place of a call that has gone",
        "proxy/gateway/runtime/queue.py",
        "            self._step_out(place)\n            if place.stands_since",
        "            if place.stands_since",
        (
            "tests/gateway/queue/test_rules.py::test_who_leaves_makes_way",
            "tests/simulation/test_waiting.py::test_a_caller_may_leave_the_line_at_every_moment",
        ),
    ),
    Mutation(
        "tell nobody in line that a hold has ended",
        "proxy/gateway/settle.py",
        "        self._queue.made_room(settlement.balances)\n",
        "",
        ("tests/gateway/test_settle.py::test_those_who_wait_for_room_hear_of_it_when_it_is_there",),
    ),
    *OF_DIALECTS,
    *OF_HOMES,
    *OF_OUTBOX,
    *OF_POLICIES,
    *OF_AUTHORITY,
    *OF_CYCLES,
    *OF_WIRE,
    *OF_STREAMS,
    *OF_UPSTREAMS,
    *OF_ATTEMPTS,
    *OF_SOCKETS,
    *OF_AUDIO,
    *OF_TOOLS,
)
