"""What stores of servers say to wrong settings of TLS, and that with the right ones they work.

The wheels of the servers have no TLS, so that a proxy in front of each speaks it.
"""

import asyncio
import datetime
import gc
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from ports import listening

from fsmkit import StoreMisconfigured
from fsmkit.stores import Store
from fsmkit.stores.mongo import MongoStore
from fsmkit.stores.mongo import session as mongo_session
from fsmkit.stores.postgres import PostgresStore
from fsmkit.stores.redis import RedisStore
from fsmkit.testing.store_contract.base import KEY, add_one

# Before the import: they are plugins too, for there is one server of a kind in a session.
for plugin in ("redis", "postgres", "mongo"):
    pytest.register_assert_rewrite(f"stores.{plugin}_server")

pytest_plugins = ["stores.redis_server", "stores.postgres_server", "stores.mongo_server"]

SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
"""What a client of PostgreSQL says first if it wants TLS."""


def self_signed(file: Path) -> Path:
    """Write a certificate for 127.0.0.1 that nobody but itself has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fsmkit test")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - day, now + day
        )
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(pem) + secret)
    return file


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "server.pem")


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(65536):
            writer.write(part)
    writer.close()


@asynccontextmanager
async def in_tls(url: str, certificate: Path, *, when_asked: bool = False) -> AsyncIterator[int]:
    """Run a port that speaks TLS in front of a server: from the first byte, or as PostgreSQL begins it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    target = urlsplit(url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            if when_asked:
                assert await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST
                writer.write(b"S")
                await writer.start_tls(context)
            back, forth = await asyncio.open_connection(target.hostname, target.port)
            await asyncio.gather(copy(reader, forth), copy(back, writer))

    async with listening(serve, None if when_asked else context) as port:
        yield port


@asynccontextmanager
async def hanging_up_on_tls(url: str) -> AsyncIterator[int]:
    """Run a port in front of the wheel's server that ends a connection begun with TLS, as mongod does."""
    target = urlsplit(url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun = await reader.read(65536)
        if begun and not begun.startswith(b"\x16\x03"):
            back, forth = await asyncio.open_connection(target.hostname, target.port)
            forth.write(begun)
            await asyncio.gather(copy(reader, forth), copy(back, writer))

    async with listening(serve) as port:
        yield port


async def refusal(store: Store) -> str:
    """Return how a store refuses to work, which is one line."""
    with pytest.raises(StoreMisconfigured) as caught:
        await asyncio.wait_for(store.peek(KEY), 20)
    await store.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def works(store: Store) -> None:
    await add_one(store, KEY)
    assert await store.peek(KEY) == b"1"
    await store.close()


async def test_redis(redis_url: str, prefix: str, certificate: Path) -> None:
    async with in_tls(redis_url, certificate) as port:
        at = f"127.0.0.1:{port}"
        said = await refusal(RedisStore(f"rediss://{at}"))
        assert "self-signed certificate" in said
        assert "rediss://...?ssl_ca_certs=FILE" in said
        assert await refusal(RedisStore(f"valkey://{at}")) == (
            "the store's server requires TLS at this port. Write rediss:// (valkeys://) for it"
        )
        await works(RedisStore(f"rediss://{at}?ssl_ca_certs={certificate}", prefix=prefix))


def test_redis_with_a_certificate_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"ssl_ca_certs in the URL names no file: /nowhere\.pem"):
        RedisStore("rediss://localhost?ssl_ca_certs=/nowhere.pem")


async def test_postgres(postgres_dsn: str, schema: str, certificate: Path) -> None:
    async with in_tls(postgres_dsn, certificate, when_asked=True) as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        await works(PostgresStore(f"{url}?sslmode=verify-full&sslrootcert={certificate}", schema=schema))
        other = self_signed(certificate.with_name("other.pem"))
        for wrong in (
            f"sslmode=verify-ca&sslrootcert={other}",
            "sslmode=verify-full",
            "sslrootcert=/nowhere",
        ):
            assert "sslrootcert=FILE" in await refusal(PostgresStore(f"{url}?{wrong}"))
    async with in_tls(postgres_dsn, certificate) as port:
        said = await refusal(
            PostgresStore(f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
        )
        assert "this port speaks TLS from the first byte. Name the server's own port" in said


async def test_postgres_without_tls(postgres_dsn: str) -> None:
    said = await refusal(PostgresStore(f"{postgres_dsn}?sslmode=require"))
    assert "rejected SSL upgrade. Check sslmode in the URL, or name the port that has TLS" in said


@pytest.fixture
def _sockets_of_pymongo() -> Iterator[None]:
    """Let go here of the sockets that PyMongo 4 forgets when a handshake fails: later tests are not to blame."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("_sockets_of_pymongo")
async def test_mongo(mongo_url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_session, "SELECTION_MS", 1000)
    async with in_tls(mongo_url, certificate) as port:
        url = f"mongodb://127.0.0.1:{port}/?journal=false"
        said = await refusal(MongoStore(f"{url}&tls=true"))
        assert said.startswith("MongoDB cannot be used: CERTIFICATE_VERIFY_FAILED")
        assert said.endswith("tlsCAFile=FILE in the URL")
        assert "tlsCAFile=FILE" in await refusal(MongoStore(f"{url}&tls=true&tlsCAFile=/nowhere.pem"))
        assert await refusal(MongoStore(url)) == (
            "MongoDB cannot be used: this port requires TLS. Write tls=true in the URL"
        )


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("_sockets_of_pymongo")
async def test_mongo_without_tls(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_session, "SELECTION_MS", 1000)
    async with hanging_up_on_tls(mongo_url) as port:
        assert await refusal(MongoStore(f"mongodb://127.0.0.1:{port}/?tls=true")) == (
            "MongoDB cannot be used: this port speaks no TLS. "
            "Take tls=true out of the URL, or name the port that has TLS"
        )
