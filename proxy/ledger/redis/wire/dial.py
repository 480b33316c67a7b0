"""Ways to a server that may be written to: its socket, TLS, the password, the sentinels.

Each dial ends with a PING, so that a server which is loading, wants a password or is no such
server says so before anybody counts on it.
"""

import asyncio
import os
import socket
import ssl
from dataclasses import dataclass, replace
from typing import Any, Final

import hiredis

from proxy.ledger.redis.wire.address import Address, Endpoint
from proxy.ledger.redis.wire.connection import Connection, ConnectionCut, OnEnd, pack
from proxy.ledger.redis.wire.faults import AttemptFailed, Fault, Remedy
from proxy.ledger.redis.wire.replies import fault_of
from proxy.ledger.redis.wire.timing import Timers

_KEEPALIVE: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""In seconds, seconds, probes: a peer that went without a word is noticed while idle."""

_CERTIFICATE_HINT: Final = "a store that wants a certificate of ours needs ?ssl_certfile="


@dataclass(frozen=True, slots=True)
class Dialer:
    """Opens connections to the servers of one address."""

    address: Address
    timers: Timers
    reply_ms: int

    async def open_server(self, endpoint: Endpoint, on_end: OnEnd) -> Connection:
        """A connection to this server, ready to be asked.

        Raises:
            AttemptFailed: it cannot be had.
        """
        connection = await self._connect(endpoint, on_end)
        try:
            database = self.address.database
            await _greet(
                connection,
                *_auth(self.address.username, self.address.password),
                *((("SELECT", str(database)),) if database else ()),
            )
        except AttemptFailed as failure:
            connection.end("it was not greeted back")
            raise AttemptFailed(self._explain(failure.fault)) from None
        except BaseException:
            connection.end("it was not greeted back")
            raise
        return connection

    def _explain(self, fault: Fault) -> Fault:
        """With TLS 1.3 a server that misses our certificate hangs up, and may not say why."""
        if self.address.tls is None or fault.remedy is not Remedy.RECONNECT:
            return fault
        return replace(fault, why=f"{fault.why} ({_CERTIFICATE_HINT})")

    async def open_master(self, on_end: OnEnd) -> Connection:
        """A connection to the master that the sentinels name.

        Raises:
            AttemptFailed: no sentinel names one, or it cannot be had.
        """
        fault: Fault | None = None
        for sentinel in self.address.endpoints:
            try:
                master = await self._ask_sentinel(sentinel)
            except AttemptFailed as failure:
                fault = failure.fault
                continue
            connection = await self.open_server(master, on_end)
            await self._check_role(connection)
            return connection
        assert fault is not None, "an address has an endpoint"
        raise AttemptFailed(fault)

    async def _connect(self, endpoint: Endpoint, on_end: OnEnd) -> Connection:
        loop = asyncio.get_running_loop()

        def make() -> Connection:
            return Connection(timers=self.timers, reply_ms=self.reply_ms, on_end=on_end)

        try:
            if endpoint.port == 0:
                _, connection = await loop.create_unix_connection(make, endpoint.host)
                return connection
            transport, connection = await loop.create_connection(
                make, endpoint.host, endpoint.port, ssl=self.address.tls
            )
        except (OSError, UnicodeError) as error:  # a name may not be one of the DNS
            raise AttemptFailed(_unreachable(endpoint, error)) from None
        _keep_alive(transport)
        return connection

    async def _ask_sentinel(self, sentinel: Endpoint) -> Endpoint:
        """Where the master is."""
        connection = await self._connect(sentinel, lambda connection: None)
        try:
            reply = await self._ask_for_master(connection)
        finally:
            connection.end("it was asked")
        if reply is None:
            raise AttemptFailed(_unknown_master(sentinel))
        try:
            host, port = reply
            return Endpoint(host.decode(), int(port))
        except (TypeError, ValueError, AttributeError):
            raise AttemptFailed(fault_of("")) from None

    async def _ask_for_master(self, connection: Connection) -> Any:
        """The password of the servers is said only to a sentinel that wants one."""
        address = self.address
        assert address.master_name is not None, "an address of sentinels has the name of a master"
        question = pack("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.master_name)
        if address.sentinel_password is not None:
            await self._greet_sentinel(connection)
            return await answer(connection.ask(question))
        try:
            return await answer(connection.ask(question))
        except AttemptFailed as failure:
            if failure.fault != fault_of("NOAUTH") or address.password is None:
                raise
        await _greet(connection, *_auth(address.username, address.password))
        return await answer(connection.ask(question))

    async def _greet_sentinel(self, connection: Connection) -> None:
        """With a password of its own."""
        auth = _auth(self.address.sentinel_username, self.address.sentinel_password)
        try:
            await _greet(connection, *auth)
        except AttemptFailed as failure:
            why = f"a sentinel that was told sentinel_password says: {failure.fault.why}"
            raise AttemptFailed(replace(failure.fault, why=why)) from None

    async def _check_role(self, connection: Connection) -> None:
        """A sentinel may lag behind: what it names must be a master, or be asked for again.

        Source: https://redis.io/docs/latest/develop/reference/sentinel-clients/, step 3.
        """
        try:
            role, *_ = await answer(connection.ask(pack("ROLE")))
        except AttemptFailed as failure:
            if failure.fault == fault_of("NOPERM"):
                return
            connection.end("its role is not known")
            raise
        if role != b"master":
            connection.end("it is a replica")
            raise AttemptFailed(fault_of("READONLY"))


def _auth(username: str | None, password: str | None) -> tuple[tuple[str, ...], ...]:
    if password is None:
        return ()
    return (("AUTH", password) if username is None else ("AUTH", username, password),)


async def _greet(connection: Connection, *commands: tuple[str, ...]) -> None:
    futures = [connection.ask(pack(*command)) for command in (*commands, ("PING",))]
    try:
        for future in futures:
            await answer(future)
    finally:
        for future in futures:
            future.cancel()  # after a failure nobody waits for the others


async def answer(future: "asyncio.Future[Any]") -> Any:
    """The reply to a command that is no operation.

    Raises:
        AttemptFailed: there is none, or it is an error.
    """
    try:
        reply = await future
    except ConnectionCut as cut:
        raise AttemptFailed(Fault(f"the store hung up: {cut.why}", Remedy.RECONNECT)) from None
    if isinstance(reply, hiredis.ReplyError):
        raise AttemptFailed(fault_of(str(reply)))
    return reply


def _keep_alive(transport: asyncio.Transport) -> None:
    plug: socket.socket = transport.get_extra_info("socket")
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):  # some systems lack some of them
            plug.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _unreachable(endpoint: Endpoint, error: OSError | UnicodeError) -> Fault:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Fault(
            f"the certificate of the store at {endpoint} is not accepted: "
            f"{error.verify_message}; ?ssl_ca_certs= names the file of its CA",
            Remedy.CHANGE_SERVER,
        )
    if isinstance(error, ssl.SSLError):
        return Fault(
            f"the store at {endpoint} does not speak TLS as we do ({error.reason}); without TLS "
            f"it is redis://, and {_CERTIFICATE_HINT}",
            Remedy.CHANGE_SERVER,
        )
    number = getattr(error, "errno", None)
    text = os.strerror(number) if number is not None and number > 0 else str(error)
    return Fault(f"the store at {endpoint} cannot be reached: {text}", Remedy.RECONNECT)


def _unknown_master(sentinel: Endpoint) -> Fault:
    return Fault(
        f"the sentinel at {sentinel} does not know the master of the address; its name is in "
        "the path: redis+sentinel://host:26379/name/0",
        Remedy.CHANGE_SERVER,
    )
