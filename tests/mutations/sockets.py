"""Edits of what makes calls of the frames of a WebSocket."""

from typing import Final

from tests.mutations.mutation import Mutation

LINE: Final = "tests/gateway/websocket/test_line.py"
SESSION: Final = "tests/gateway/websocket/test_session.py"
BREAKS: Final = "tests/e2e/websocket/test_breaks.py"

OF_SOCKETS: Final = (
    Mutation(
        "pass a frame of any type on, as one that costs nothing",
        "proxy/gateway/websocket/frames.py",
        "if kind == CREATE or kind in CONTROLS:",
        "if kind:",
        (
            "tests/gateway/websocket/test_frames.py::test_whatever_else_comes_is_refused_with_a_hint",
            "tests/e2e/websocket/test_refusals.py::test_a_frame_that_is_no_call_is_not_passed_on",
        ),
    ),
    Mutation(
        "let a response run that nobody has paid for",
        "proxy/gateway/websocket/line.py",
        "            return not is_unpaid\n",
        "            return True\n",
        (f"{LINE}::test_a_response_that_nobody_has_paid_for_ends_the_socket",),
    ),
    Mutation(
        "take an error in the middle for the end of its response",
        "proxy/gateway/websocket/line.py",
        "goes_on = kind != ERROR or (not answer.has_begun and status_of(frame) is not None)",
        "goes_on = True",
        (
            f"{LINE}::test_after_an_error_in_the_middle_the_response_may_go_on_so_its_socket_is_closed",
        ),
    ),
    Mutation(
        "hang up on a response without asking it to end",
        "proxy/gateway/websocket/line.py",
        "                await socket.send(CANCEL)\n                await answer.over.wait()\n",
        "                await asyncio.sleep(0)\n",
        (
            f"{LINE}::test_a_response_that_ends_when_it_is_cancelled_leaves_its_socket",
            f"{BREAKS}::test_who_leaves_in_the_middle_stops_the_upstream_and_pays",
        ),
    ),
    Mutation(
        "wait for the end of a response that was cancelled, however long it takes",
        "proxy/gateway/websocket/line.py",
        "asyncio.timeout(CUT_MS / 1000)",
        "asyncio.timeout(None)",
        (f"{LINE}::test_one_that_does_not_loses_it_within_a_second",),
    ),
    Mutation(
        "lose the answer of a socket with the one that went before it",
        "proxy/gateway/websocket/line.py",
        "if self._socket is socket:  # and not one that came after it",
        "if True:",
        (f"{LINE}::test_an_upstream_that_has_moved_gets_a_socket_of_its_own",),
    ),
    Mutation(
        "hold an answer for a warm-up",
        "proxy/dialects/responses/frames.py",
        "        generates=False,\n",
        "        generates=True,\n",
        ("tests/e2e/websocket/test_responses.py::test_a_warm_up_holds_its_input_alone",),
    ),
    Mutation(
        "send a call to an upstream that may answer a warm-up, for it takes no frames",
        "proxy/gateway/websocket/forwarders.py",
        "        if route is None:\n",
        "        route = route or next(iter(self._routes.values()))\n        if route is None:\n",
        (
            "tests/e2e/websocket/test_refusals.py::test_a_model_of_an_upstream_over_http_alone_is_refused",
        ),
    ),
    Mutation(
        "let a call run on for a caller who has left",
        "proxy/gateway/websocket/session.py",
        "            self._running.hang_up()\n",
        "            pass\n",
        (f"{SESSION}::test_who_leaves_is_told_of_to_the_call_that_runs_and_no_other_begins",),
    ),
)
