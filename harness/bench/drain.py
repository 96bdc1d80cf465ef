"""The drain of one five-minute batch, beside DuckDB's `read_json` alone on the same events with the same threads."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from bluelake.buffer.chunks import ChunkEncoder
from bluelake.buffer.client import Buffer
from bluelake.core.settings import load_settings
from bluelake.core.watermark import Cursor, Watermark, write_watermark
from harness.bench.data import redis_server
from harness.bench.report import Figure
from ingest.pending import Pending
from ingest.wire_v1 import WireV1

# Best of some rounds, as in harness/bench/ingest.py.
ROUNDS = 3
MUST_SHARE = 0.15
MUST_SECONDS = 4.0
MUST_RSS_MB = 1500
MUST_STORED = 0.18
_COMMIT = "rev VARCHAR, operation VARCHAR, collection VARCHAR, rkey VARCHAR, cid VARCHAR"
# The structure that a reader has to name to get at the columns of each queue.
_RECORDS = {
    "posts": 'text VARCHAR, langs VARCHAR[], tags VARCHAR[], "createdAt" VARCHAR, facets JSON, reply JSON, embed JSON',
    "likes": 'subject STRUCT(uri VARCHAR), via STRUCT(uri VARCHAR), "createdAt" VARCHAR',
    "reposts": 'subject STRUCT(uri VARCHAR), via STRUCT(uri VARCHAR), "createdAt" VARCHAR',
    "follows": 'subject VARCHAR, "createdAt" VARCHAR',
    "blocks": 'subject VARCHAR, "createdAt" VARCHAR',
    "profiles": '"displayName" VARCHAR, description VARCHAR, "createdAt" VARCHAR',
}


def measure(folder: Path, frames: Path) -> list[Figure]:
    """Drain `frames`, all of them one batch, in a process of its own; the best of some rounds, as is the reference."""
    folder.mkdir()
    rounds, references = [], []
    for number in range(ROUNDS):
        home = folder / f"home{number}"
        home.mkdir()
        with redis_server(home) as url:
            count = fill(url, frames, folder)
            done = subprocess.run(
                [sys.executable, "-m", "harness.bench.drain"],
                env={**os.environ, "BLUELAKE_HOME": str(home), "REDIS_URL": url, "LOG_LEVEL": "ERROR"},
                check=True,
                capture_output=True,
                text=True,
            )
        rounds.append(json.loads(done.stdout.splitlines()[-1]))
        references.append(_read_json(folder))
    result = min(rounds, key=lambda one: float(one["seconds"]))
    reference = min(references)
    rate, reference_rate = count / result["seconds"], count / reference
    share = result["stored"] / result["raw"]
    return [
        Figure(
            "drain, events/s",
            f"{rate:,.0f}",
            f"DuckDB `read_json` alone: {reference_rate:,.0f} ({rate / reference_rate:.0%}); each the best of {ROUNDS}",
            f"≥ {MUST_SHARE:.0%} of it",
            rate >= MUST_SHARE * reference_rate,
        ),
        Figure(
            f"drain of {count:,} events, whole run",
            f"{result['seconds']:.2f} s, {result['rss_mb']:,} MB RSS",
            f"`read_json` alone: {reference:.2f} s",
            f"< {MUST_SECONDS:.0f} s, < {MUST_RSS_MB:,} MB",
            result["seconds"] < MUST_SECONDS and result["rss_mb"] < MUST_RSS_MB,
        ),
        Figure(
            "stored bytes an event, all tables, as drained",
            f"{result['stored'] / count:.1f} ({share:.1%})",
            f"raw JSON: {result['raw'] / count:.0f}",
            f"≤ {MUST_STORED:.0%}",
            share <= MUST_STORED,
        ),
    ]


def fill(url: str, frames: Path, folder: Path) -> int:
    """Put `frames` into the buffer as the ingester does, and into a file a queue. Returns how many there were."""
    buffer, router, encoder, pending = Buffer(url), WireV1(2**62), ChunkEncoder(), Pending()
    files = {}
    count = number = 0

    def flush() -> None:
        nonlocal number, pending
        chunks, cursors = pending.chunks(encoder, 512), {"bench": pending.cursor() or Cursor(0)}
        buffer.append(number, number + 1, "bench", chunks, cursors, 1, "bench")
        number, pending = number + 1, Pending()

    with frames.open("rb") as lines:
        for line in lines:
            frame = line.rstrip(b"\n")
            routed = router.route(frame)
            if not isinstance(routed, tuple):
                raise RuntimeError(f"{routed}: {frame[:200]!r}")
            queue, _, time_us, _ = routed
            if queue not in files:
                files[queue] = (folder / f"{queue}.ndjson").open("wb")
            files[queue].write(line)
            count += 1
            if pending.add(queue, frame, time_us) >= 512:
                flush()
    flush()
    for file in files.values():
        file.close()
    return count


def _read_json(folder: Path) -> float:
    """Seconds that DuckDB takes to read the same events into tables."""
    connection = duckdb.connect(config={"threads": load_settings().duckdb_threads})
    started = time.perf_counter()
    for path in sorted(folder.glob("*.ndjson")):
        record = _RECORDS.get(path.stem)
        commit = f"STRUCT({_COMMIT}{f', record STRUCT({record})' if record else ''})"
        columns = f"{{did: 'VARCHAR', time_us: 'BIGINT', kind: 'VARCHAR', commit: '{commit}', identity: 'JSON', account: 'JSON'}}"
        connection.execute(
            f"CREATE TABLE {path.stem} AS SELECT * FROM read_json('{path}', format = 'newline_delimited', columns = {columns})"
        )
    return time.perf_counter() - started


def _drain() -> None:
    from bluelake.lake.delta import Store
    from bluelake.lake.drain import drain

    settings = load_settings()
    # As in a lake that has been running.
    Store(settings.lake_dir).create_tables()
    write_watermark(settings.watermark_path, Watermark())
    started = time.perf_counter()
    (batch,) = drain(settings)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "raw": batch.bytes_raw,
                "stored": batch.bytes_stored,
            }
        )
    )


if __name__ == "__main__":
    _drain()
