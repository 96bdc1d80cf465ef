"""Frames compressed with a dictionary: how it is fetched from the host or read from a file, kept, and used."""

import base64
import contextlib
import http.client
import logging
import threading
import urllib.error
import urllib.request
from concurrent.futures import Future
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import zstandard

from bluelake.core.errors import ConfigurationError
from bluelake.core.files import write_durably
from bluelake.core.reasons import HostFault
from bluelake.core.settings import Settings
from ingest.errors import HostError
from ingest.jetstream import host_name

log = logging.getLogger(__name__)

DICTIONARY_PATH = "/xrpc/network.bsky.jetstream.getZstdDictionary"
FETCH_TIMEOUT_SECONDS = 10
# Far above any useful dictionary.
LARGEST_DICTIONARY_BYTES = 16 << 20
# First bytes of every zstd frame (RFC 8878 §3.1.1).
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class Dictionary:
    """One zstd dictionary. Raises ValueError where `content` is no dictionary, or has no number."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        try:
            self.prepared = zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_FULLDICT)
            self.id = int(self.prepared.dict_id())
            # Only this reads the content behind the number.
            zstandard.ZstdDecompressor(dict_data=self.prepared)
        except zstandard.ZstdError as error:
            raise ValueError(f"not a zstd dictionary: {error}") from error
        if self.id == 0:
            raise ValueError("a zstd dictionary without a number")


class Inflater:
    """Decompresses the messages of one connection."""

    def __init__(self, dictionary: Dictionary, limit_bytes: int, host: str) -> None:
        self._dictionary_id = dictionary.id
        self._limit_bytes = limit_bytes
        self._host = host
        self._decompressor = zstandard.ZstdDecompressor(dict_data=dictionary.prepared)

    def inflate(self, message: bytes) -> bytes:
        """The frame in `message`. A text message is a frame already.

        Raises HostError (BAD_COMPRESSION) where another dictionary is needed, or the message is damaged or too large.
        """
        if not message.startswith(ZSTD_MAGIC):
            return message
        try:
            header = zstandard.get_frame_parameters(message)
            if header.dict_id not in (0, self._dictionary_id):
                raise self._error(f"dictionary {header.dict_id}, not {self._dictionary_id}")
            if header.content_size != zstandard.CONTENTSIZE_UNKNOWN and header.content_size > self._limit_bytes:
                raise self._error(f"it announces {header.content_size} bytes")
            # Not by a stream: it would accept a message that is cut off.
            return self._decompressor.decompress(message, max_output_size=self._limit_bytes)
        except zstandard.ZstdError as error:
            raise self._error(str(error)) from error

    def _error(self, what: str) -> HostError:
        return HostError(HostFault.BAD_COMPRESSION, f"{self._host} sent a frame that does not decompress: {what}")


def named_dictionary(settings: Settings) -> Dictionary | None:
    """The dictionary in the file of JETSTREAM_DICTIONARY, None without one. Raises ConfigurationError where it is none."""
    if not settings.jetstream_compress or not settings.jetstream_dictionary:
        return None
    try:
        return Dictionary(Path(settings.jetstream_dictionary).expanduser().read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, RuntimeError) as error:
        reason = str(error)
    raise ConfigurationError(
        f"JETSTREAM_DICTIONARY={settings.jetstream_dictionary}: {reason}; name the file of a zstd dictionary, or unset it"
    )


def fetch_dictionary(url: str, folder: Path) -> Dictionary | None:
    """The dictionary of the host at websocket `url`, kept as `<id>.zstd` in `folder`. None where the host has none.

    If the host does not answer in time, the newest kept dictionary is taken. The host refuses a wrong one, so it does no harm.
    """
    host = host_name(url)
    try:
        content = _download(_request(url))
        if len(content) > LARGEST_DICTIONARY_BYTES:
            raise ValueError(f"more than {LARGEST_DICTIONARY_BYTES} bytes")
        dictionary = Dictionary(content)
    except urllib.error.HTTPError as error:
        with error:
            log.debug("%s offers no dictionary: HTTP %d", host, error.code)
        return None
    except ValueError as error:
        log.warning("%s offers a dictionary that is none: %s", host, error)
        return None
    except (OSError, http.client.HTTPException) as error:
        log.info("%s does not give its dictionary: %s", host, error)
        return _newest_kept(folder)
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        write_durably(folder / f"{dictionary.id}.zstd", content)
    return dictionary


def _request(url: str) -> urllib.request.Request:
    """The request to the host at websocket `url`, with the name and the password of that URL."""
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "wss" else "http"
    request = urllib.request.Request(urlunsplit((scheme, host_name(url), DICTIONARY_PATH, "", "")))
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(credentials).decode()}")
    return request


def _download(request: urllib.request.Request) -> bytes:
    """The answer to `request`, cut behind the largest size. Raises OSError, also once it takes too long.

    A socket's timeout begins anew with each byte, so a host could draw an answer out for ever. A thread reads it, and is left
    behind then. It holds up nobody, and not the end of the process.
    """
    found: Future[bytes] = Future()

    def read() -> None:
        try:
            with urllib.request.urlopen(request, timeout=FETCH_TIMEOUT_SECONDS) as answer:
                found.set_result(answer.read(LARGEST_DICTIONARY_BYTES + 1))
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=read, daemon=True).start()
    return found.result(FETCH_TIMEOUT_SECONDS)


def _newest_kept(folder: Path) -> Dictionary | None:
    with contextlib.suppress(OSError, ValueError):
        newest = max(folder.glob("*.zstd"), key=lambda path: path.stat().st_mtime, default=None)
        return None if newest is None else Dictionary(newest.read_bytes())
    return None
