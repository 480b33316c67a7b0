"""TLS to one upstream: whom we trust, who we are, and the session of the last connection."""

import ssl
from typing import Any


class ResumingContext(ssl.SSLContext):
    """A client's context that takes up the last session again: a shorter handshake.

    asyncio makes its connections by `wrap_bio` and hands no session on, so it is added here.
    A server that does not know a session makes a whole handshake; nothing fails. One context
    is for one upstream: a session is worth nothing at another.
    """

    _session: ssl.SSLSession | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(
            incoming, outgoing, server_side, server_hostname, session or self._session
        )

    def remember(self, connected: Any) -> None:
        """Keep the session of an `ssl.SSLObject` that has brought an answer.

        Not sooner: in TLS 1.3 the server sends what is needed behind its handshake.
        """
        session = connected.session
        if session is not None and session.has_ticket:
            self._session = session


def client_context(
    ca_file: str | None = None,
    client_cert_file: str | None = None,
    client_key_file: str | None = None,
) -> ResumingContext:
    """What checks the upstream's certificate, always, and shows ours if there is one.

    `ca_file` (PEM) is trusted in place of what the system trusts. The key stands in
    `client_key_file`, else beside the certificate.

    Raises:
        OSError: a file cannot be read, or does not hold what it should (ssl.SSLError).
    """
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if client_cert_file is not None:
        # Without a passphrase to give, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(client_cert_file, client_key_file, password=lambda: b"")
    return context
