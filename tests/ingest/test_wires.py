"""The ingester with hosts of either wire: which one is spoken, cursors, compression, and what hosts refuse."""

import asyncio
import base64
import contextlib
import json
import time
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from bluelake.buffer.client import Buffer
from bluelake.core.errors import ConfigurationError
from bluelake.core.metrics import INGEST_METRICS, Metrics
from bluelake.core.settings import Settings
from ingest import follower
from ingest.frames import WANTED_COLLECTIONS
from ingest.ingester import Ingester
from tests.support.ingester import (
    REWIND_SECONDS,
    START_US,
    Run,
    frames,
    held,
    notices,
    reported,
    running,
    trained,
    tuned,
    until,
)
from tests.support.jetstream_host import V1_PATH, V2_PATH, jetstream_host

DICTIONARY = trained()


def events(buffer: Buffer) -> list[dict[str, Any]]:
    """What is held, parsed, without the sequence numbers."""
    return [{key: value for key, value in json.loads(frame).items() if key != "seq"} for frame in held(buffer)]


def rkeys(buffer: Buffer) -> list[str]:
    """The rkeys of what is held, sorted; an event that was served twice is there twice."""
    return sorted(event["commit"]["rkey"] for event in events(buffer))


def expected(first: int, count: int) -> list[str]:
    return [json.loads(frame)["commit"]["rkey"] for frame in frames(first, count)]


@pytest.mark.anyio
async def test_v2_is_read_and_resumed_by_sequence_number(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host("v2") as host:
        chosen = tuned(settings, host.url)
        async with running(chosen, buffer):
            await host.give(*frames(0, 500))
            await until(lambda: len(held(buffer)) == 500)
        assert events(buffer) == [json.loads(frame) for frame in frames(0, 500)]
        await host.give(*frames(500, 100))
        async with running(chosen, buffer):
            await until(lambda: set(rkeys(buffer)) == set(expected(0, 600)))
        # By time at first; then the last frame but four, as the median of the last nine, and no rewind.
        assert host.cursors == [START_US, host.seq(495)]
        assert len(held(buffer)) == 605
        assert host.queries[0]["collections"] == list(WANTED_COLLECTIONS)
        assert notices(buffer, "gaps") == []


@pytest.mark.parametrize(
    ("wires", "paths"), [(("v1",), [V2_PATH, V1_PATH]), (("v1", "v2"), [V2_PATH])], ids=["v1 alone", "both"]
)
@pytest.mark.anyio
async def test_the_wire_of_a_url_without_a_path_is_found_out(
    buffer: Buffer, settings: Settings, wires: tuple[str, ...], paths: list[str]
) -> None:
    async with jetstream_host(*wires, path=False) as host, running(tuned(settings, host.url), buffer) as run:
        await host.give(*frames(0, 20))
        await until(lambda: len(held(buffer)) == 20)
        await host.drop()
        await host.give(*frames(20, 20))
        await until(lambda: set(rkeys(buffer)) == set(expected(0, 40)))
        # It is found out anew for every connection: see below.
        assert host.paths == [*paths, *paths]
        refused = 2 * (len(paths) - 1)
        assert run.metric("bluelake_ingest_host_faults_total", reason="refused") == refused
        assert run.metric("bluelake_ingest_connection_failures_total", host=host.name) == 1


@pytest.mark.parametrize("status", [400, 403, 410, 503])
@pytest.mark.anyio
async def test_a_refusal_that_passes_does_not_make_a_host_speak_v1(
    buffer: Buffer, settings: Settings, status: int
) -> None:
    async with jetstream_host("v1", "v2", path=False) as host:
        host.refusal = (status, "", {})
        async with running(tuned(settings, host.url), buffer):
            await until(lambda: f"HTTP {status}" in reported(settings))
            host.refusal = None
            await host.give(*frames(0, 20))
            await until(lambda: len(held(buffer)) == 20)
            assert set(host.paths) == {V2_PATH}


@pytest.mark.anyio
async def test_a_host_that_refuses_v2_again_and_again_is_read_on_v1(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a proxy that answers 403 to every path that it does not know."""
    monkeypatch.setattr(follower, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(follower, "LAST_RETRY_SECONDS", 0.01)

    async with jetstream_host("v1", path=False) as host:
        host.no_endpoint = 403
        async with running(tuned(settings, host.url), buffer):
            await host.give(*frames(0, 20))
            await until(lambda: len(held(buffer)) == 20)
        assert host.paths == [V2_PATH] * 5 + [V1_PATH]


@pytest.mark.anyio
async def test_refusals_that_v2_was_read_between_are_not_in_a_row(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(follower, "LAST_RETRY_SECONDS", 0.01)

    async with jetstream_host("v1", "v2", path=False) as host:
        host.refusal, host.refusals = (403, "", {}), 4
        async with running(tuned(settings, host.url), buffer):
            await host.give(*frames(0, 20))
            await until(lambda: len(held(buffer)) == 20)
            host.refusal, host.refusals = (403, "", {}), 4
            await host.drop()
            await host.give(*frames(20, 20))
            await until(lambda: set(rkeys(buffer)) == set(expected(0, 40)))
        assert set(host.paths) == {V2_PATH}


@pytest.mark.anyio
async def test_a_host_that_had_no_v2_for_one_connection_is_asked_for_it_again(
    buffer: Buffer, settings: Settings
) -> None:
    async with jetstream_host("v1", path=False) as host, running(tuned(settings, host.url), buffer):
        await host.give(*frames(0, 20))
        await until(lambda: len(held(buffer)) == 20)
        host.wires = ("v1", "v2")
        await host.drop()
        await host.give(*frames(20, 20))
        await until(lambda: set(rkeys(buffer)) == set(expected(0, 40)))
        assert host.paths == [V2_PATH, V1_PATH, V2_PATH]


@pytest.mark.anyio
async def test_a_host_that_speaks_neither_wire_is_left_for_another(buffer: Buffer, settings: Settings) -> None:
    async with (
        jetstream_host("none", path=False) as neither,
        jetstream_host() as host,
        running(tuned(settings, neither.url, host.url), buffer),
    ):
        await host.give(*frames(0, 20))
        await until(lambda: len(held(buffer)) == 20)
        assert neither.paths == [V2_PATH, V1_PATH]


@pytest.mark.anyio
async def test_a_host_with_another_subprotocol_is_not_taken_for_v2(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host("v2") as odd, jetstream_host("v2") as host:
        odd.subprotocol = None
        async with running(tuned(settings, odd.url, host.url), buffer) as run:
            await host.give(*frames(0, 20))
            await until(lambda: len(held(buffer)) == 20)
            assert run.metric("bluelake_ingest_host_faults_total", reason="wrong_subprotocol") == 1


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.anyio
async def test_frames_come_compressed_with_the_hosts_dictionary(buffer: Buffer, settings: Settings, wire: str) -> None:
    async with jetstream_host(wire) as host:
        host.dictionary = DICTIONARY
        async with running(tuned(settings, host.url, jetstream_compress=True), buffer) as run:
            await host.give(*frames(0, 300))
            await until(lambda: rkeys(buffer) == expected(0, 300))
            asked = host.queries[0]
            assert (asked.get("compress"), asked.get("zstdDictionary")) == (
                (["true"], None) if wire == "v1" else (None, [str(DICTIONARY.dict_id())])
            )
            kept = settings.home / "dictionaries" / f"{DICTIONARY.dict_id()}.zstd"
            assert kept.read_bytes() == DICTIONARY.as_bytes()
            assert run.metric("bluelake_ingest_host_faults_total", reason="bad_compression") == 0


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.parametrize(
    ("offered", "reason"),
    [
        (None, "no_dictionary"),
        (b"no dictionary at all", "no_dictionary"),
        (trained(4711).as_bytes(), "other"),
    ],
    ids=["none", "no dictionary", "another one"],
)
@pytest.mark.anyio
async def test_without_the_right_dictionary_a_host_is_read_plain(
    buffer: Buffer, settings: Settings, wire: str, offered: bytes | None, reason: str
) -> None:
    async with jetstream_host(wire) as host:
        if reason == "other":
            host.dictionary = DICTIONARY
        host.offered = offered
        async with running(tuned(settings, host.url, jetstream_compress=True), buffer) as run:
            await host.give(*frames(0, 300))
            await until(lambda: set(rkeys(buffer)) == set(expected(0, 300)))
            found = reason
            if reason == "other":
                found = "bad_compression" if wire == "v1" else "unknown_dictionary"
                assert host.dictionaries_given == (1 if wire == "v1" else 2)
            assert run.metric("bluelake_ingest_host_faults_total", reason=found) > 0
            assert {"compress", "zstdDictionary"}.isdisjoint(host.queries[-1])


@pytest.mark.anyio
async def test_a_v1_host_that_offers_no_dictionary_is_read_with_the_one_of_a_file(
    buffer: Buffer, settings: Settings
) -> None:
    path = settings.home / "zstd_dictionary"
    path.write_bytes(DICTIONARY.as_bytes())
    async with jetstream_host() as host:
        host.dictionary, host.offered = DICTIONARY, trained(4711).as_bytes()
        chosen = tuned(settings, host.url, jetstream_compress=True, jetstream_dictionary=str(path))
        async with running(chosen, buffer) as run:
            await host.give(*frames(0, 300))
            await until(lambda: rkeys(buffer) == expected(0, 300))
            assert run.metric("bluelake_ingest_host_faults_total", reason="bad_compression") == 0
        assert host.queries[0]["compress"] == ["true"]
        assert host.dictionaries_given == 0


@pytest.mark.anyio
async def test_the_dictionary_of_a_file_is_not_for_a_v2_host(buffer: Buffer, settings: Settings) -> None:
    path = settings.home / "zstd_dictionary"
    path.write_bytes(trained(4711).as_bytes())
    async with jetstream_host("v2") as host:
        host.dictionary = DICTIONARY
        chosen = tuned(settings, host.url, jetstream_compress=True, jetstream_dictionary=str(path))
        async with running(chosen, buffer):
            await host.give(*frames(0, 100))
            await until(lambda: rkeys(buffer) == expected(0, 100))
        assert host.queries[0]["zstdDictionary"] == [str(DICTIONARY.dict_id())]


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "No such file"), (b"no dictionary", "not a zstd dictionary")],
    ids=["no file", "no dictionary"],
)
def test_a_dictionary_that_cannot_be_used_ends_the_ingester_at_once(
    buffer: Buffer, settings: Settings, content: bytes | None, told: str
) -> None:
    path = settings.home / "zstd_dictionary"
    if content is not None:
        path.write_bytes(content)
    chosen = tuned(settings, "ws://one/subscribe", jetstream_compress=True, jetstream_dictionary=str(path))
    with pytest.raises(ConfigurationError, match=rf"JETSTREAM_DICTIONARY={path}: {told}"):
        Ingester(chosen, buffer, Metrics(INGEST_METRICS, CollectorRegistry()))


@pytest.mark.anyio
async def test_hosts_without_a_dictionary_are_read_plain_and_the_log_says_so_once(
    buffer: Buffer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with jetstream_host() as one, jetstream_host() as two:
        chosen = tuned(settings, one.url, two.url, jetstream_compress=True, bluelake_hosts_compared=2)
        async with running(chosen, buffer) as run:
            await until(lambda: run.metric("bluelake_ingest_connected") == 2)
            await one.drop()
            await two.drop()
            await until(lambda: len(one.cursors) + len(two.cursors) == 4)
        assert all("compress" not in query for host in (one, two) for query in host.queries)
    assert caplog.text.count("JETSTREAM_DICTIONARY") == 1


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.anyio
async def test_an_empty_subprotocol_echo_is_accepted(buffer: Buffer, settings: Settings, wire: str) -> None:
    async with jetstream_host(wire) as host:
        host.echoes_nothing = True
        async with running(tuned(settings, host.url), buffer) as run:
            await host.give(*frames(0, 100))
            await until(lambda: rkeys(buffer) == expected(0, 100))
            assert run.metric("bluelake_ingest_host_faults_total", reason="wrong_subprotocol") == 0


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["in the headers", "in the body"]
)
def test_a_host_that_draws_its_dictionary_out_for_ever_holds_up_neither_the_reading_nor_the_end(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr("ingest.compression.FETCH_TIMEOUT_SECONDS", 0.5)
    fetches: list[asyncio.Task[Any] | None] = []

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            if b"getZstdDictionary" not in await reader.readuntil(b"\r\n\r\n"):
                return
            fetches.append(asyncio.current_task())
            writer.write(head)
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.1)

    async def scenario() -> None:
        async with await asyncio.start_server(trickle, "127.0.0.1", 0) as server, jetstream_host("v1") as host:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/subscribe"
            run = Run(tuned(settings, url, host.url, jetstream_compress=True), buffer)
            await host.give(*frames(0, 10))
            await until(lambda: rkeys(buffer) == expected(0, 10), 10)
            assert run.metric("bluelake_ingest_host_faults_total", reason="no_dictionary") == 2
            run.ingester.stop()
            await asyncio.wait_for(run.task, 10)
            (fetch,) = fetches
            assert fetch is not None
            assert not fetch.done()
            fetch.cancel()

    started = time.monotonic()
    asyncio.run(scenario())
    # The end of the loop waits for every thread but the one that is left behind.
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("password", ["s3cret", "s3cret-of-old"], ids=["right", "wrong"])
@pytest.mark.anyio
async def test_the_password_in_a_url_is_given_to_the_host_and_to_nobody_else(
    buffer: Buffer, settings: Settings, caplog: pytest.LogCaptureFixture, password: str
) -> None:
    caplog.set_level("INFO")

    async with jetstream_host() as host:
        host.dictionary = DICTIONARY
        host.credentials = "Basic " + base64.b64encode(b"reader:s3cret").decode()
        url = host.url.replace("ws://", f"ws://reader:{password}@")
        async with running(tuned(settings, url, jetstream_compress=True), buffer) as run:
            await host.give(*frames(0, 20))
            if password == "s3cret":
                await until(lambda: len(held(buffer)) == 20)
                assert host.queries[0]["compress"] == ["true"]
                assert set(buffer.state().cursors) == {host.name}
            else:
                await until(lambda: "HTTP 401" in reported(settings))
            await until(lambda: host.name in reported(settings))
            for told in (reported(settings), caplog.text, generate_latest(run.metrics.registry).decode()):
                assert host.name in told
                assert "s3cret" not in told


@pytest.mark.anyio
async def test_a_frame_that_inflates_beyond_the_limit_is_refused_and_kept_plain(
    buffer: Buffer, settings: Settings
) -> None:
    async with jetstream_host() as host:
        host.dictionary = DICTIONARY
        bomb = b'{"kind":"commit","x":"' + b"A" * 2_000_000 + b'"}'
        chosen = tuned(settings, host.url, jetstream_compress=True, max_frame_mb=1)
        async with running(chosen, buffer) as run:
            await host.give(*frames(0, 100), bomb, *frames(100, 100))
            await until(lambda: set(rkeys(buffer)) == set(expected(0, 200)))
            assert run.metric("bluelake_ingest_host_faults_total", reason="bad_compression") == 1
            await until(lambda: [notice["reason"] for notice in notices(buffer, "rejects")] == ["too_large"])


@pytest.mark.anyio
async def test_a_sequence_number_that_is_too_old_is_followed_by_time_and_is_a_gap(
    buffer: Buffer, settings: Settings
) -> None:
    async with jetstream_host("v2") as host:
        chosen = tuned(settings, host.url)
        async with running(chosen, buffer):
            await host.give(*frames(0, 100))
            await until(lambda: len(held(buffer)) == 100)
        await host.give(*frames(100, 900))
        host.floor_us = START_US + 500 * 10_000
        async with running(chosen, buffer) as run:
            await until(lambda: set(rkeys(buffer)) == set(expected(0, 100) + expected(500, 500)))
            assert run.metric("bluelake_ingest_gaps_total", cause="cursor_too_old") == 1
            assert run.metric("bluelake_ingest_host_faults_total", reason="cursor_too_old") == 1
        margin_us = REWIND_SECONDS * 1_000_000
        assert notices(buffer, "gaps") == [
            {
                "from_us": START_US + 95 * 10_000 - margin_us,
                "to_us": START_US + 502 * 10_000 + margin_us,
                "host": host.name,
                "cause": "cursor_too_old",
            }
        ]
        assert host.cursors[1:] == [host.seq(95), START_US + 95 * 10_000 - margin_us]


@pytest.mark.anyio
async def test_a_host_that_sends_an_error_is_left(buffer: Buffer, settings: Settings) -> None:
    async with contextlib.AsyncExitStack() as stack:
        host, other = [await stack.enter_async_context(jetstream_host("v2")) for _ in range(2)]
        async with running(tuned(settings, host.url, other.url), buffer) as run:
            error = b'{"$type":"error","error":"ConsumerTooSlow","message":"x"}'
            await host.give(*frames(0, 50), error, *frames(50, 50))
            await other.give(*frames(0, 200))
            await until(lambda: set(rkeys(buffer)) == set(expected(0, 200)))
            assert run.metric("bluelake_ingest_host_faults_total", reason="error_frame") == 1


@pytest.mark.anyio
async def test_a_host_that_asks_for_rest_gets_it(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as busy, jetstream_host() as host:
        busy.refusal = (503, "", {"Retry-After": "100"})
        async with running(tuned(settings, busy.url, host.url), buffer) as run:
            await host.give(*frames(0, 10))
            await until(lambda: len(held(buffer)) == 10)
            await host.drop()
            await host.give(*frames(10, 10))
            await until(lambda: set(rkeys(buffer)) == set(expected(0, 20)))
            assert (len(busy.cursors), len(host.cursors)) == (1, 2)
            assert run.metric("bluelake_ingest_host_faults_total", reason="unavailable") == 1
