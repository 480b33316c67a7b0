import os
import sys
from pathlib import Path

import pytest

from tests.benchmarks.instruments.processes import (
    CannotMeasure,
    Instrument,
    Process,
    choose_cores,
    free_port,
    pinned,
)

NOWHERE = "http://127.0.0.1:{port}/readyz"


def start(directory: Path, program: str) -> Process:
    with (directory / "log.txt").open("wb") as log:
        return Process([sys.executable, "-c", program], core=None, log=log)


def test_a_contender_that_ends_is_quoted(tmp_path: Path) -> None:
    process = start(tmp_path, "raise SystemExit('budgets[0].scope: no such level')")
    with pytest.raises(CannotMeasure, match=r"ended with 1: budgets\[0\]\.scope: no such level"):
        process.wait_ready(NOWHERE.format(port=free_port()), patience_s=30.0)


def test_a_contender_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    process = start(tmp_path, "input_never_comes = __import__('threading').Event().wait()")
    try:
        with pytest.raises(CannotMeasure, match="not ready after 0 s: it said nothing"):
            process.wait_ready(NOWHERE.format(port=free_port()), patience_s=0.0)
        assert process.rss_mb() > 0
        assert process.cpu_s() >= 0
    finally:
        process.stop()


def test_an_instrument_that_has_ended_is_said_so_whoever_asks_it() -> None:
    instrument = Instrument("this", core=None)
    with pytest.raises(CannotMeasure, match="ended early"):
        list(iter(instrument.read_line, b""))
    with pytest.raises(CannotMeasure, match="ended early"):
        instrument.write_line(b"{}")
    instrument.stop()


def test_cores_are_two_different_ones_or_none() -> None:
    cores = choose_cores()
    assert (cores.contender is None) == (cores.instruments is None)
    assert cores.contender is None or cores.contender != cores.instruments


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot pin")
def test_pinning_lasts_as_long_as_its_block() -> None:
    before = os.sched_getaffinity(0)
    with pinned(min(before)):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before
