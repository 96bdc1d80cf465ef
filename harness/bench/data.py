"""What is measured on: frames from the simulator, a Redis of the bench's own, a day of four million posts."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import redis

from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.tables import DELETES, POSTS
from bluelake.stack.redis_server import server_binary

SEED = 20260704
# When generated frames begin.
FRAMES_START = "2026-07-01T12:00:00Z"
# What to ask for to get all of them: the first ones may be a little earlier.
FRAMES_ASKED = "2026-07-01T11:59:30Z"
DAY_US = 1_783_123_200_000_000  # 2026-07-04T00:00:00Z
RARE_WORD = "quizzaciously"
_SLICE_US = 300_000_000
_VOCABULARY = 30_000


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def generate_frames(path: Path, count: int, rate: int) -> None:
    """Write `count` seeded frames, `rate` a second, to `path`."""
    command = [sys.executable, "-m", "harness.simulator", "generate", "--count", str(count), "--seed", str(SEED)]
    command += ["--rate", str(rate), "--start", FRAMES_START]
    subprocess.run([*command, "--out", str(path)], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """A Redis as `bluelake redis` runs it, with its append-only file. Yields its URL."""
    port = port or free_port()
    command = [str(server_binary()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", "everysec", "--logfile", str(folder / "redis.log")]
    process = subprocess.Popen(command)
    try:
        client = redis.Redis(port=port)
        for _ in range(200):
            try:
                client.ping()
                break
            except redis.exceptions.RedisError:
                time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


def make_day_of_posts(settings: Settings, posts: int) -> None:
    """A lake with one day of `posts` posts as drains leave them: a file every five minutes; one in 20 deleted.

    Texts are Zipf-distributed words, a quarter of them without spaces in Japanese script; RARE_WORD is in one in 100,000.
    """
    store = Store(settings.lake_dir)
    store.create_tables()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SELECT setseed(0.4)")
    connection.execute(
        f"""CREATE TABLE words AS SELECT range AS i,
        CASE WHEN range % 4 = 0
             THEN array_to_string(list_transform(range(2 + range % 3),
                                  lambda x: chr(12354 + ((range * 7 + x * 13) % 80)::INT)), '')
             ELSE array_to_string(list_transform(range(3 + range % 6),
                                  lambda x: chr(97 + ((range * 11 + x * x * 7 + x) % 26)::INT)), '')
        END AS word FROM range({_VOCABULARY})"""
    )
    slices = 288
    for number in range(slices):
        rows = _posts(connection, number, posts // slices)
        store.append(POSTS, rows.cast(POSTS.schema), number + 1, {})
        connection.register("rows", rows)
        deletes = connection.execute(
            """SELECT did, 'app.bsky.feed.post' AS collection, rkey, rev + 1 AS rev, event_at, year, month, day, hour
            FROM rows WHERE hash(rkey) % 20 = 0 ORDER BY event_at"""
        ).to_arrow_table()
        store.append(DELETES, deletes.cast(DELETES.schema), number + 1, {})


def _posts(connection: duckdb.DuckDBPyConnection, number: int, count: int):  # type: ignore[no-untyped-def]
    first_us = DAY_US + number * _SLICE_US
    empty = "[]::VARCHAR[]"
    return connection.execute(
        f"""WITH drawn AS (
          SELECT p, list((random() ** 4 * {_VOCABULARY})::INT) AS picks
          FROM range({count}) AS t(p), range(14) GROUP BY p
        ), texts AS (
          SELECT p, string_agg(word, ' ') AS text FROM (SELECT p, unnest(picks) AS i FROM drawn) JOIN words USING (i) GROUP BY p
        )
        SELECT 'did:plc:' || substr(md5(((random() ** 2 * 400000)::INT)::VARCHAR), 1, 24) AS did,
               '3k' || substr(md5((p + {number} * 1000000)::VARCHAR), 1, 11) AS rkey,
               ({first_us} + p)::BIGINT * 1024 AS rev,
               make_timestamptz({first_us} + (p * {_SLICE_US} / {count})::BIGINT) AS event_at,
               make_timestamptz({first_us} + (p * {_SLICE_US} / {count})::BIGINT) AS created_at,
               'create' AS operation, 'bafyrei' || md5(random()::VARCHAR) || substr(md5(random()::VARCHAR), 1, 20) AS cid,
               text || CASE WHEN random() < 0.00001 THEN ' {RARE_WORD}' ELSE '' END AS text,
               ['en'] AS langs, {empty} AS hashtags, {empty} AS mentions, {empty} AS links, {empty} AS domains,
               NULL AS reply_parent_did, NULL AS reply_parent_rkey, NULL AS reply_root_did, NULL AS reply_root_rkey,
               NULL AS quote_did, NULL AS quote_rkey, 'none' AS embed, 0 AS media_count,
               {empty} AS alt_texts, {empty} AS labels, {empty} AS hashtag_keys,
               strftime(event_at, '%Y') AS year, strftime(event_at, '%m') AS month, strftime(event_at, '%d') AS day,
               strftime(event_at, '%H') AS hour, 'other' AS user_did
        FROM texts ORDER BY event_at, did, rkey"""
    ).to_arrow_table()
