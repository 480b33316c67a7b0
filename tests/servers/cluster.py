"""Three masters on the loopback that share the slots."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import Server, running

RANGES = ((0, 5460), (5461, 10922), (10923, 16383))


@dataclass
class RunningCluster:
    """The masters, in the order of their slots."""

    masters: list[Server]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{master.port}" for master in self.masters)
        return f"redis+cluster://{hosts}"

    def owner(self, slot: int) -> Server:
        """Who was given this slot at the start."""
        for master, (first, last) in zip(self.masters, RANGES, strict=True):
            if first <= slot <= last:
                return master
        raise AssertionError(slot)

    def node_id(self, master: Server) -> str:
        node_id: bytes = master.command("CLUSTER", "MYID")
        return node_id.decode()

    def give(self, slot: int, to: Server) -> None:
        """Make it the owner of an empty slot, and tell all."""
        for master in [to, *self.masters]:
            master.command("CLUSTER", "SETSLOT", slot, "NODE", self.node_id(to))


@contextmanager
def running_cluster(binary: Path) -> Iterator[RunningCluster]:
    """A cluster that serves; it takes a little more than the two seconds new masters wait."""
    with ExitStack() as stack:
        masters = [
            stack.enter_context(running(binary, cluster_enabled="yes", cluster_node_timeout="2000"))
            for _ in RANGES
        ]
        for epoch, (master, (first, last)) in enumerate(zip(masters, RANGES, strict=True), 1):
            master.command("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            master.command("CLUSTER", "ADDSLOTS", *range(first, last + 1))
            if master is not masters[0]:
                master.command("CLUSTER", "MEET", "127.0.0.1", masters[0].port)
        for master in masters:
            master.wait_for("Cluster state changed: ok")
        yield RunningCluster(masters)
