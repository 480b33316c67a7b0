"""Certificates for servers that speak TLS, made anew for each run of the tests."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """A CA, and what it says about `localhost` and 127.0.0.1. All are PEM files."""

    ca_path: Path
    chain_path: Path
    key_path: Path

    def context(self) -> ssl.SSLContext:
        """What a server of ours needs to speak TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain_path, self.key_path)
        return context


def make_certificates(directory: Path) -> Certificates:
    """Write them into this directory."""
    ca = trustme.CA()
    leaf = ca.issue_cert("localhost", "127.0.0.1")
    made = Certificates(
        ca_path=directory / "ca.pem",
        chain_path=directory / "chain.pem",
        key_path=directory / "key.pem",
    )
    ca.cert_pem.write_to_path(str(made.ca_path))
    for blob in leaf.cert_chain_pems:
        blob.write_to_path(str(made.chain_path), append=True)
    leaf.private_key_pem.write_to_path(str(made.key_path))
    return made
