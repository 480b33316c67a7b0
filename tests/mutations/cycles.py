"""Edits of the home at an authority elsewhere, and of what tells it how holds have ended."""

from typing import Final

from tests.mutations.mutation import Mutation

CYCLES: Final = "tests/ledger/cycles"
RECOVERY: Final = f"{CYCLES}/test_recovery.py"

OF_CYCLES: Final = (
    Mutation(
        "take a hold that has expired elsewhere for settled",
        "proxy/gateway/outbox/elsewhere.py",
        "                    raise Amended(replace(record, as_event=True)) from None\n",
        "                    return None\n",
        (
            f"{RECOVERY}::test_a_hold_that_is_gone_is_charged_as_an_event",
            f"{RECOVERY}::test_an_expired_commit_becomes_an_event_on_the_disk_first",
        ),
    ),
    Mutation(
        "post the event of an expired hold before the disk knows of it",
        "proxy/gateway/outbox/outbox.py",
        "            if not waiting.is_kept:\n                raise LedgerUnavailable(",
        "            if False:\n                raise LedgerUnavailable(",
        (f"{RECOVERY}::test_a_switch_that_the_disk_does_not_take_is_not_told",),
    ),
    Mutation(
        "tell a settlement before its flush has returned",
        "proxy/gateway/outbox/outbox.py",
        "        if not waiting.is_kept:\n            await self._write()\n        try:",
        "        try:",
        (f"{RECOVERY}::test_no_commit_leaves_before_its_flush_has_returned",),
    ),
    Mutation(
        "forget over a restart how long the ledger wants to be left alone",
        "proxy/gateway/outbox/outbox.py",
        "                self._keep_pause(record)\n",
        "",
        (f"{RECOVERY}::test_a_pause_that_was_asked_for_outlives_the_process",),
    ),
    Mutation(
        "ask for a lost hold once more under another key",
        "proxy/ledger/cycles/holding.py",
        "                answer, read = await self._create(body, own_key, request.trace_id)\n",
        "                own_key = self._new_id()\n"
        "                body = write(requests.reserve(request, unit, amount, key=own_key))\n"
        "                answer, read = await self._create(body, own_key, request.trace_id)\n",
        (f"{CYCLES}/test_holding.py::test_a_wish_that_is_granted_costs_one_request",),
    ),
    Mutation(
        "retry an extension under another key",
        "proxy/ledger/cycles/ledger.py",
        '        key = f"{reservation_id}/extend/{beat.number}"\n',
        '        key = f"{reservation_id}/extend/{now_ms}"\n',
        (
            f"{CYCLES}/test_heartbeat.py"
            "::test_each_beat_has_a_key_of_its_own_and_its_retry_the_same",
        ),
    ),
    Mutation(
        "leave what a hold elsewhere has grown by to nobody",
        "proxy/ledger/cycles/ledger.py",
        "for unit, own in by_unit(hold.parts)])",
        "for unit, own in by_unit(reservation_id)])",
        (
            f"{CYCLES}/test_settling.py::"
            "test_a_hold_that_has_grown_grows_and_lives_and_ends_by_the_id_it_was_given",
        ),
    ),
    Mutation(
        "take any success of an authority for the one that was asked for",
        "proxy/ledger/cycles/asking/answers.py",
        "    if answer.status != status:\n",
        "    if not 200 <= answer.status < 300:\n",
        (
            f"{CYCLES}/test_settling.py::test_an_event_with_another_status_than_201_proves_nothing",
            f"{RECOVERY}::test_a_success_that_is_not_the_protocols_stays_ambiguous",
        ),
    ),
    Mutation(
        "leave room for one attempt only behind a heartbeat",
        "proxy/ledger/cycles/heartbeat.py",
        "lead_ms - 2 * margins.attempt_ms - margins.safety_ms",
        "lead_ms - margins.attempt_ms - margins.safety_ms",
        (f"{CYCLES}/test_heartbeat.py::test_the_example_of_the_protocol",),
    ),
    Mutation(
        "let calls leave when a key is not accepted elsewhere",
        "proxy/ledger/cycles/asking/verdicts.py",
        "    if answer.status == 401:\n        return Refused(",
        "    if answer.status == 401:\n        return LedgerUnavailable()\n        return Refused(",
        (f"{CYCLES}/test_whole.py::test_a_key_that_is_not_accepted_lets_nothing_leave",),
    ),
    Mutation(
        "leave the ceilings of an authority off the body",
        "proxy/gateway/attempts/attempt.py",
        ", caps=grant.caps)",
        ")",
        (f"{CYCLES}/test_whole.py::test_ceilings_that_come_with_a_hold_are_put_on_the_body",),
    ),
)
