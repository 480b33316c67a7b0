"""A missing server skips its tests and says so; where it is required it fails them."""

import pytest

from tests.servers import binaries


def test_a_missing_server_skips_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(binaries.FINDERS, "valkey", lambda: None)
    monkeypatch.delenv("REQUIRE_BACKENDS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no server 'valkey' on this machine"):
        binaries.require("valkey")


def test_a_missing_server_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(binaries.FINDERS, "redis", lambda: None)
    monkeypatch.setenv("REQUIRE_BACKENDS", "valkey,redis")
    with pytest.raises(pytest.fail.Exception, match="no server 'redis' on this machine"):
        binaries.require("redis")


@pytest.mark.parametrize("name", binaries.FINDERS)
def test_a_server_that_is_there_can_be_run(name: str) -> None:
    path = binaries.require(name)
    assert path.is_file()
    assert path.stat().st_mode & 0o111
