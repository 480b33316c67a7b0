"""What people write as the address of a store, and what they are told when it is none."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from proxy.ledger.redis.wire.address import Address, AddressError, Endpoint, Kind, parse
from tests.servers.certificates import Certificates

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", Address(Kind.SERVER, (Endpoint("h", 6379),))),
        ("redis://h:1/", Address(Kind.SERVER, (Endpoint("h", 1),))),
        ("redis://h:1/7", Address(Kind.SERVER, (Endpoint("h", 1),), database=7)),
        ("redis://h?db=7", Address(Kind.SERVER, (Endpoint("h", 6379),), database=7)),
        ("redis://[::1]:1", Address(Kind.SERVER, (Endpoint("::1", 1),))),
        ("redis://[::1]", Address(Kind.SERVER, (Endpoint("::1", 6379),))),
        ("redis://:p%40%2F@h", Address(Kind.SERVER, (Endpoint("h", 6379),), None, "p@/")),
        ("redis://u:p@h", Address(Kind.SERVER, (Endpoint("h", 6379),), "u", "p")),
        ("unix:///run/a%20b.sock", Address(Kind.SERVER, (Endpoint("/run/a b.sock", 0),))),
        (
            "unix://u:p@/run/s?db=2",
            Address(Kind.SERVER, (Endpoint("/run/s", 0),), "u", "p", database=2),
        ),
        (
            "redis+sentinel://:p@a:1,b/mine/3",
            Address(Kind.SENTINEL, (Endpoint("a", 1), Endpoint("b", 26379)), None, "p", 3, "mine"),
        ),
        (
            "redis+sentinel://a/mine",
            Address(Kind.SENTINEL, (Endpoint("a", 26379),), master_name="mine"),
        ),
        (
            "redis+sentinel://:p@a/mine?sentinel_username=w&sentinel_password=a+b%26%40",
            Address(
                Kind.SENTINEL,
                (Endpoint("a", 26379),),
                password="p",
                master_name="mine",
                sentinel_username="w",
                sentinel_password="a+b&@",
            ),
        ),
        (
            "redis+cluster://a:7000,b:7001",
            Address(Kind.CLUSTER, (Endpoint("a", 7000), Endpoint("b", 7001))),
        ),
    ],
)
def test_an_address_means_what_it_says(url: str, expected: Address) -> None:
    assert parse(url) == expected
    assert parse(url).tls is None


@pytest.mark.parametrize("scheme", ["rediss", "rediss+sentinel", "rediss+cluster"])
def test_a_double_s_is_tls_with_names_checked(scheme: str, certificates: Certificates) -> None:
    address = parse(
        f"{scheme}://h/name?ssl_ca_certs={certificates.ca_path}".replace(
            "/name", "/name" if "sentinel" in scheme else ""
        )
    )
    assert address.tls is not None
    assert address.tls.check_hostname
    assert len(address.tls.get_ca_certs()) == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://h", "begins with one of: redis, rediss, unix, redis+sentinel"),
        ("", "begins with one of"),
        ("redis://[::1", "not a URL"),
        ("redis://", "a host is missing"),
        ("redis://::1", "lacks its [ ]"),
        ("redis://h:", "a port"),
        ("redis://h:0", "a port"),
        ("redis://h:65536", "a port"),
        ("redis://h:²", "a port"),
        ("redis://a,b", "takes one host"),
        ("redis://h/1?db=1", "more than one database"),
        ("redis://h/x", "is not a number"),
        ("redis://h/-1", "is not a number"),
        ("redis://h/99999999999", "is not a number"),
        ("redis://h?timeout=1", "has no option timeout; it has: db"),
        ("redis://h?db=1&db=2", "stands twice"),
        ("redis://h?ssl_ca_certs=/ca", "has no option ssl_ca_certs"),
        ("rediss://h?ssl_ca_certs=/nowhere", "no certificates can be read from /nowhere"),
        ("rediss://h?ssl_certfile=/nowhere", "no certificate can be read from /nowhere"),
        ("rediss://h?ssl_keyfile=/key", "ssl_keyfile in the address of the store is of no use"),
        ("rediss://h?ssl_password=p", "of no use without ssl_certfile"),
        ("rediss://h?ssl_certfile=", "ssl_certfile in the address of the store: nothing follows"),
        ("redis+sentinel://h/m?ssl_certfile=/c", "has no option ssl_certfile"),
        ("redis+sentinel://h/m?sentinel_username=u", "of no use without sentinel_password"),
        ("redis://h?sentinel_password=p", "has no option sentinel_password; it has: db"),
        ("redis://user@h", "a user without a password"),
        ("unix://host/run/s", "an absolute path"),
        ("unix://", "an absolute path"),
        ("redis+sentinel://h", "name of the master is missing"),
        ("redis+sentinel://h/name/x", "is not a number"),
        ("redis+cluster://h/1", "only database 0"),
        ("redis+cluster://a,,b", "a host is missing"),
    ],
)
def test_what_is_no_address_is_told_why(url: str, says: str) -> None:
    with pytest.raises(AddressError) as told:
        parse(url)
    assert says in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}@h:x",
        f"redis://:{SECRET}/x@h",
        f"redis://:a#{SECRET}@h",
        f"redis://:a?{SECRET}=x@h",
        f"redis://:a?{SECRET}@h",
        f"redis://:{SECRET}@[h",
        f"redis://:{SECRET}\u2100@h",
        f"http://:{SECRET}@h",
        f"unix://:{SECRET}@host/run/s",
        f"redis://:{SECRET}@h/{SECRET}",
        f"redis://h?sentinel_password={SECRET}",
        f"redis+sentinel://h/m?sentinel_password={SECRET}&db=x",
        f"redis+sentinel://h/m?sentinel_password={SECRET}&sentinel_password={SECRET}",
        f"rediss://h?ssl_certfile=/nowhere&ssl_password={SECRET}",
    ],
)
def test_no_message_holds_a_piece_of_a_password(url: str) -> None:
    with pytest.raises(AddressError) as told:
        parse(url)
    assert SECRET not in str(told.value)
    assert told.value.__suppress_context__ or told.value.__context__ is None


def test_an_address_keeps_its_password_to_itself() -> None:
    address = parse(f"redis://user:{SECRET}@h:1")
    assert address.password == SECRET
    assert SECRET not in repr(address) + str(address)
    assert str(address) == "h:1"
    address = parse(f"redis+sentinel://h/m?sentinel_password={SECRET}")
    assert address.sentinel_password == SECRET
    assert SECRET not in repr(address) + str(address)
    assert str(Endpoint("::1", 5)) == "[::1]:5"
    assert str(Endpoint("/run/s", 0)) == "/run/s"


def encrypted_key(certificates: Certificates, folder: Path) -> Path:
    """The key of the certificates, behind the password."""
    key = load_pem_private_key(certificates.key_path.read_bytes(), password=None)
    path = folder / "encrypted.pem"
    encryption = BestAvailableEncryption(SECRET.encode())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return path


def test_a_key_may_be_encrypted(certificates: Certificates, tmp_path: Path) -> None:
    key_path = encrypted_key(certificates, tmp_path)
    url = f"rediss://h?ssl_certfile={certificates.chain_path}&ssl_keyfile={key_path}"
    assert parse(f"{url}&ssl_password={SECRET}").tls is not None
    for wrong in (url, f"{url}&ssl_password=other"):
        with pytest.raises(AddressError, match="an encrypted key needs ssl_password"):
            parse(wrong)


def test_a_certificate_and_its_key_may_be_one_file(
    certificates: Certificates, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(certificates.key_path.read_bytes() + certificates.chain_path.read_bytes())
    assert parse(f"rediss://h?ssl_certfile={both}").tls is not None
    with pytest.raises(AddressError, match="they have to belong together"):
        parse(f"rediss://h?ssl_certfile={certificates.chain_path}")
