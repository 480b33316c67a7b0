"""A master, its replica, and one sentinel whose word is enough for a failover."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis

from tests.servers.process import Server, free_port, running

MASTER_NAME = "ledger"


@dataclass
class Watched:
    """A master that can fail."""

    master: Server
    replica: Server
    sentinel: Server

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{MASTER_NAME}/0"

    def sentinel_command(self, *parts: str | int) -> Any:
        """One command to the sentinel, which has no socket."""
        with redis.Redis(port=self.sentinel.port) as client:
            return client.execute_command(*parts)

    def fail_over(self) -> None:
        """Kill the master and wait until the replica is one."""
        self.master.kill()
        self.sentinel.wait_for("+switch-master")

    def demote(self) -> None:
        """The replica takes over from a master that was only away, and comes back under it.

        The sentinel would tell it so as well, some seconds later.
        """
        self.master.pause()
        self.sentinel.wait_for("+switch-master")
        self.master.resume()
        self.master.command("REPLICAOF", "127.0.0.1", self.replica.port)


@contextmanager
def running_sentinel(binary: Path) -> Iterator[Watched]:
    """All three, with the replica in step."""
    with (
        running(binary) as master,
        running(binary, replicaof=f"127.0.0.1 {master.port}") as replica,
        TemporaryDirectory(prefix="sentinel-") as directory,
        Server(binary, Path(directory), free_port()) as sentinel,
    ):
        replica.wait_for("Finished with success")
        configuration = sentinel.directory / "sentinel.conf"
        configuration.write_text(
            f"port {sentinel.port}\n"
            f"bind 127.0.0.1\n"
            f"dir {directory}\n"
            f"sentinel monitor {MASTER_NAME} 127.0.0.1 {master.port} 1\n"
            f"sentinel down-after-milliseconds {MASTER_NAME} 200\n"
            f"sentinel failover-timeout {MASTER_NAME} 2000\n"
        )
        sentinel.start_sentinel(configuration)
        sentinel.wait_for("+slave slave")
        yield Watched(master, replica, sentinel)
