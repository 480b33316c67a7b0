"""Three masters on the loopback that share the slots."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import Server, running

RANGES = ((0, 5460), (5461, 10922), (10923, 16383))


@dataclass
class RunningCluster:
    """The masters, in the order of their slots, and a replica of the first if there is one."""

    masters: list[Server]
    replica: Server | None = None

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

    def take_over(self) -> None:
        """Make the replica a master in place of its own, and wait until all know."""
        assert self.replica is not None
        self.replica.command("CLUSTER", "FAILOVER", "TAKEOVER")
        for master in self.masters[1:]:
            while (0, self.replica.port) not in _first_owners(master):
                continue  # each look is a round trip to the server, so others get their turn


def _first_owners(server: Server) -> list[tuple[int, int]]:
    """Where each range of slots begins, and the port of its master."""
    ranges = server.command("CLUSTER", "SLOTS")
    return [(first, owner[1]) for first, _, owner, *_ in ranges]


@contextmanager
def running_cluster(binary: Path, *, has_replica: bool = False) -> Iterator[RunningCluster]:
    """A cluster that serves; it takes a little more than the two seconds new masters wait."""
    with ExitStack() as stack:

        def node() -> Server:
            return stack.enter_context(
                running(binary, cluster_enabled="yes", cluster_node_timeout="2000")
            )

        masters = [node() for _ in RANGES]
        for epoch, (master, (first, last)) in enumerate(zip(masters, RANGES, strict=True), 1):
            master.command("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            master.command("CLUSTER", "ADDSLOTS", *range(first, last + 1))
            if master is not masters[0]:
                master.command("CLUSTER", "MEET", "127.0.0.1", masters[0].port)
        for master in masters:
            master.wait_for("Cluster state changed: ok")
        cluster = RunningCluster(masters)
        if has_replica:
            cluster.replica = node()
            cluster.replica.command("CLUSTER", "MEET", "127.0.0.1", masters[0].port)
            cluster.replica.wait_for("Cluster state changed: ok")
            cluster.replica.command("CLUSTER", "REPLICATE", cluster.node_id(masters[0]))
            cluster.replica.wait_for("Finished with success")
        yield cluster
