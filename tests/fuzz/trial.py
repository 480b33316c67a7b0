"""One life, lived and judged; and the fewest changes that still break a rule."""

import gc
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from tests.fuzz.draw import Life, draw_life
from tests.fuzz.world import World
from tests.ledger.harness import scratch

SHOWN_MAX: Final = 4


@dataclass(frozen=True)
class Trial:
    """What came of a life. `broken` says in words which rules were; none is what is wanted."""

    life: Life
    broken: tuple[str, ...]
    world: World | None = None


def try_life(life: Life) -> Trial:
    """Live it and judge it."""
    with scratch() as directory, _no_collection():
        world = World(life, directory)
        try:
            world.live()
        except Exception:  # noqa: BLE001 - whatever it was, it is what broke
            world.broken.append(traceback.format_exc())
        return Trial(life, tuple(world.broken), world)


@contextmanager
def _no_collection() -> Iterator[None]:
    """What is collected in the depth of nested JSON has no stack left for its last words."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def first_broken(seeds: Iterable[int]) -> Trial | None:
    """The first of these seeds that breaks a rule."""
    trials = (try_life(draw_life(seed)) for seed in seeds)
    return next((trial for trial in trials if trial.broken), None)


def shrink(trial: Trial, live: Callable[[Life], Trial] = try_life) -> Trial:
    """Leave out whatever is not needed to break a rule."""
    for smaller in _smaller(trial.life):
        tried = live(smaller)
        if tried.broken:
            return shrink(tried, live)
    return trial


def _smaller(life: Life) -> Iterator[Life]:
    """First one exchange alone, then all but one, then one change less."""
    exchanges = life.exchanges
    if len(exchanges) > 1:
        for each in exchanges:
            yield replace(life, exchanges=(each,))
        for at in range(len(exchanges)):
            yield replace(life, exchanges=exchanges[:at] + exchanges[at + 1 :])
    for at, each in enumerate(exchanges):
        plain = replace(each, leaves_ms=None, listens_after_bytes=None)
        fewer = [each.without(change) for change in each.changes()]
        for less in (*fewer, *([plain] if plain != each else [])):
            yield replace(life, exchanges=(*exchanges[:at], less, *exchanges[at + 1 :]))


def report(trial: Trial, live: Callable[[Life], Trial] = try_life) -> str:
    """A broken life, for people: what broke, how to see it again, and what it takes."""
    least = shrink(trial, live)
    seed = trial.life.seed
    return "\n".join(
        (
            f"seed {seed} breaks a rule. Again: python -m tests.fuzz {seed}",
            *trial.broken[:SHOWN_MAX],
            "What it takes:",
            str(least.life),
            "Then:",
            *least.broken[:SHOWN_MAX],
        )
    )
