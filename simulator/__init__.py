"""An upstream that speaks the APIs of OpenAI and Anthropic and writes a bill of its own.

It is the independent witness of the tests: it imports nothing of `proxy` or `pricing`, it
chooses what a call really consumes, and it bills that from its own rate table.

    server      Simulator: start, stop, what was seen, the bill
    routes      which address gives what
    endpoint    one call, from its request to its line on the bill
    apis/       the APIs, one a module: their words for a request, an answer and an error
    behaviour   how a call is answered: honest, or in which way not
    request     what is asked for, checked where the real API checks it
    fields      how the fields of a body are checked
    prompt/     how many tokens went in
    answer/     what is said: words, JSON, tool calls, usage
    wire/       how it travels: framing, compression, pace, hangs, cuts
    records     requests seen, calls under way, running bills
    bill        what was consumed and what that costs
    models      what is on offer
    rates       the hand-written rate table, with its sources

Alone: python -m simulator --port 9100
"""

from simulator.behaviour import Behaviour, Cut, Hang, Refusal, Report, Wire
from simulator.bill import BillLine, Input, Output
from simulator.request import ChatRequest
from simulator.server import Simulator, run

__all__ = [
    "Behaviour",
    "BillLine",
    "ChatRequest",
    "Cut",
    "Hang",
    "Input",
    "Output",
    "Refusal",
    "Report",
    "Simulator",
    "Wire",
    "run",
]
