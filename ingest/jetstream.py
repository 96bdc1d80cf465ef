"""One connection to a Jetstream host on the v1 wire."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from ingest.errors import HostError
from ingest.frames import WANTED_COLLECTIONS
from ingest.receive import LARGEST_MESSAGE_BYTES, FrameStream

OPEN_TIMEOUT_SECONDS = 15


def host_name(url: str) -> str:
    """The name under which a host's cursor is kept."""
    return urlsplit(url).netloc


def subscription_url(url: str, cursor_us: int | None) -> str:
    """`url` with the wanted collections and, unless None, the cursor, beside what it already asks for."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in ("cursor", "wantedCollections")]
    query += [("wantedCollections", collection) for collection in WANTED_COLLECTIONS]
    if cursor_us is not None:
        query.append(("cursor", str(cursor_us)))
    return urlunsplit(parts._replace(query=urlencode(query)))


@asynccontextmanager
async def open_stream(url: str, cursor_us: int | None) -> AsyncIterator[FrameStream]:
    """A connection that serves events from `cursor_us` on. Raises HostError."""
    try:
        connection = await connect(
            subscription_url(url, cursor_us),
            compression=None,
            max_size=LARGEST_MESSAGE_BYTES,
            create_connection=FrameStream,
            open_timeout=OPEN_TIMEOUT_SECONDS,
            close_timeout=1,
        )
    except InvalidStatus as error:
        raise HostError(f"{host_name(url)} refused with HTTP {error.response.status_code}") from error
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
        raise HostError(f"{host_name(url)} cannot be reached: {error}") from error
    assert isinstance(connection, FrameStream)
    try:
        yield connection
    finally:
        await connection.close()
