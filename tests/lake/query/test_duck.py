"""Databases that spill at once keep out of each other's way."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from bluelake.core.settings import Settings
from bluelake.lake.query import duck
from bluelake.lake.query.duck import connect, ensure_spill
from tests.support.paths import ROOT
from tests.support.processes import clean_environment

ROWS = 8_000_000
# Makes a table that does not fit its memory, says so, and when it is told to, how many rows of it are right.
SPILL = f"""
import sys
from bluelake.core.settings import load_settings
from bluelake.lake.query.duck import connect
seed = int(sys.argv[1])
with connect(load_settings(), memory_mb=80, threads=1) as connection:
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"CREATE TEMP TABLE t AS SELECT i, hash(i + {{seed}}) AS h FROM range({ROWS}) AS r(i)")
    print(connection.execute("SELECT sum(size) > 10000000 FROM duckdb_temporary_files()").fetchone()[0], flush=True)
    sys.stdin.readline()
    print(*connection.execute(f"SELECT sum(i), count_if(h = hash(i + {{seed}})) FROM t").fetchone(), flush=True)
    sys.stdin.readline()
"""


def start(home: Path, seed: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SPILL, str(seed)],
        env=clean_environment(BLUELAKE_HOME=str(home), PYTHONPATH=str(ROOT)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


@pytest.mark.integration
def test_two_processes_that_spill_at_once_get_their_own_rows_back(home: Path) -> None:
    processes = [start(home, seed) for seed in (1, 2)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "True", "it did not spill"
        told = [ask(process) for process in processes]
    finally:
        for process in processes:
            process.communicate("\n", timeout=60)

    assert told == [f"{ROWS * (ROWS - 1) // 2} {ROWS}"] * 2
    assert list((home / "tmp").iterdir()) == []


def test_two_databases_of_one_process_spill_into_different_folders(lake_settings: Settings) -> None:
    with connect(lake_settings) as one, connect(lake_settings) as other:
        folders = [c.execute("SELECT current_setting('temp_directory')").fetchone() for c in (one, other)]
    assert folders[0] != folders[1]


def test_without_a_folder_to_spill_into_what_fits_the_memory_is_answered(
    lake_settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(tmp: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp))

    monkeypatch.setattr(duck, "own_folder", full)
    with connect(lake_settings) as connection:
        assert connection.execute("SELECT sum(i) FROM range(10) AS r(i)").fetchone() == (45,)
    assert "No space left on device" in caplog.text


def test_a_connection_that_outlives_a_full_disk_spills_once_there_is_room(
    home: Path, lake_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tmp: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp))

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(duck, "own_folder", full)
        connection = connect(lake_settings)
        ensure_spill(connection, lake_settings)
        assert connection.execute("SELECT current_setting('temp_directory')").fetchone() == ("",)
    with connection:
        ensure_spill(connection, lake_settings)
        (folder,) = connection.execute("SELECT current_setting('temp_directory')").fetchone() or ("",)
        assert Path(folder).is_relative_to(home / "tmp")
        # One that it has stays: what was spilled lies there.
        ensure_spill(connection, lake_settings)
        assert connection.execute("SELECT current_setting('temp_directory')").fetchone() == (folder,)
