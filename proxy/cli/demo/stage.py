"""Who plays: an app with many agents, and budgets that cannot be enough for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from proxy.domain.clock import Clock
from proxy.domain.money import usd
from proxy.domain.scope import Scope, derive
from proxy.domain.subject import Subject
from simulator import Behaviour, Wire
from simulator.endpoint import ChooseBehaviour
from simulator.request import ChatRequest

MODEL: Final = "gpt-4.1"
CHEAPER: Final = "gpt-4.1-mini"
KEY: Final = "sk-simulated"
TENANT: Final = "demo"
APP: Final = "helpdesk"

SWAP_PCT: Final = 80
SHORTEN_PCT: Final = 95

_ASKED_TOKENS: Final = 800
_ANSWER_TOKENS: Final = (150, 450)
_TOKENS_PER_EVENT: Final = 25
_DAY_MS: Final = 86_400_000

# Microcents. What all agents together would like to spend is far above what their app has;
# a hungry agent meets its own budget first.
_TENANT_PER_AGENT: Final = 2_000_000
_APP_PER_AGENT: Final = 1_050_000
_AGENT: Final = 1_200_000

_NAMES: Final = (
    "ada ben cleo dan eva finn gus hana ivo jan kim lea mia nils ola pia quin rosa sam tess"
)
_QUESTIONS: Final = (
    "A parcel is two weeks late and the customer is angry. Draft a reply.",
    "Summarise this week's refunds and say what they have in common.",
    "Which of the open tickets should be answered first, and why?",
    "Explain to a customer how to change the address of an order.",
    "Translate the last answer into plain words for a new colleague.",
)


@dataclass(frozen=True, slots=True)
class Stage:
    """How many agents, how fast, and the seed of all that is left to chance.

    `pace_ms` is how long the upstream takes for one piece of an answer.
    """

    agents: int
    pace_ms: int
    seed: int

    @property
    def app_budget(self) -> int:
        """What the app may spend today, in microcents."""
        return self.agents * _APP_PER_AGENT

    def names(self) -> Iterator[str]:
        """The agents, by name."""
        known = _NAMES.split()
        for number in range(self.agents):
            yield known[number] if number < len(known) else f"agent-{number + 1}"

    def rest_ms(self, number: int) -> tuple[int, int]:
        """How long an agent thinks between two calls, from and to: every third does not think."""
        return (0, 0) if number % 3 == 1 else (6 * self.pace_ms, 20 * self.pace_ms)

    def config(self, base_url: str, ledger: Path) -> str:
        """The configuration of the proxy."""
        tenant, app = f"tenant:{TENANT}", f"tenant:{TENANT}/app:{APP}"
        return f"""
listen: {{proxy: "127.0.0.1:0", authority: "127.0.0.1:0", admin: "127.0.0.1:0"}}
ledger: {{url: "sqlite:///{ledger}"}}
upstreams: [{{name: simulated, base_url: "{base_url}", api_key: {KEY}}}]
identity: {{default: {{tenant: {TENANT}, app: {APP}}}, accept: [agent]}}
budgets:
  - {{scope: "{tenant}", allocated: "${usd(self.agents * _TENANT_PER_AGENT)}", period: month}}
  - {{scope: "{app}", allocated: "${usd(self.app_budget)}", period: day}}
  - {{scope: "{app}/agent:*", allocated: "${usd(_AGENT)}", period: day}}
policies:
  - name: thrift
    scope: "{tenant}/*"
    bands:
      - {{used_pct: {SWAP_PCT}, models: {{"{MODEL}": {CHEAPER}}}}}
      - {{used_pct: {SHORTEN_PCT}, models: {{"{MODEL}": {CHEAPER}}}, caps: {{max_tokens: 200}}}}
degrade: {{min_output_tokens: 100, fallback_models: {{"{MODEL}": [{CHEAPER}]}}}}
"""

    def behaviour(self) -> ChooseBehaviour:
        """How the upstream answers: honestly, at length, and in its own time."""
        random = Random(self.seed)

        def choose(request: ChatRequest) -> Behaviour:
            tokens = random.randint(*_ANSWER_TOKENS)
            pieces = tokens // _TOKENS_PER_EVENT
            return Behaviour(
                output_tokens=tokens,
                tokens_per_event=_TOKENS_PER_EVENT,
                delay_ms=0 if request.stream else pieces * self.pace_ms,
                wire=Wire(pace_ms=self.pace_ms if request.stream else 0),
            )

        return choose


def scopes_of(agent: str) -> tuple[Scope, ...]:
    """The scopes that a call of this agent is charged to, outermost first."""
    return derive(Subject(tenant=TENANT, app=APP, agent=agent))


def body_of(question: int, *, streams: bool) -> dict[str, object]:
    """What an agent asks."""
    messages = [
        {"role": "system", "content": "You work at the help desk of a shop. Be kind and exact."},
        {"role": "user", "content": _QUESTIONS[question % len(_QUESTIONS)]},
    ]
    body = {"model": MODEL, "max_completion_tokens": _ASKED_TOKENS, "messages": messages}
    return body | {"stream": True} if streams else body


class Noon:
    """A clock that starts at today's noon, UTC: no budget of a day ends in the middle."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._noon_ms = clock.now_ms() // _DAY_MS * _DAY_MS + _DAY_MS // 2
        self._start_ns = clock.monotonic_ns()

    def now_ms(self) -> int:
        return self._noon_ms + (self.monotonic_ns() - self._start_ns) // 1_000_000

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()
