"""What a simulated power loss takes away: exactly what nobody brought to the disk."""

import os
import random
import subprocess
import sys
from pathlib import Path

from bluelake.core.files import LOG_VARIABLE
from harness.chaos.power_loss import lose_power
from tests.support.paths import ROOT
from tests.support.processes import clean_environment

WRITE = """
import sys
from pathlib import Path
from bluelake.core.files import fsync_path, write_durably
folder = Path(sys.argv[1])
write_durably(folder / "durable", b"0123456789")
(folder / "content-only").write_bytes(b"0123456789")
fsync_path(folder / "content-only")
with (folder / "durable").open("ab") as file:
    file.write(b"more")
(folder / "nothing").write_bytes(b"0123456789")
"""


def write(folder: Path) -> Path:
    folder.mkdir()
    log = folder.with_suffix(".fsync")
    environment = clean_environment(**{LOG_VARIABLE: str(log)})
    subprocess.run([sys.executable, "-c", WRITE, str(folder)], cwd=ROOT, env=environment, check=True)
    return log


def after(folder: Path, seed: int) -> dict[str, bytes]:
    log = write(folder)
    lose_power(folder, log, random.Random(seed))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_was_brought_to_the_disk_stays_and_the_rest_may_go(tmp_path: Path) -> None:
    outcomes = [after(tmp_path / f"run-{seed}", seed) for seed in range(24)]
    durable = {outcome["durable"] for outcome in outcomes}
    assert b"0123456789" in durable
    assert all(content.startswith(b"0123456789") and len(content) < 14 for content in durable)
    # Its content was on the disk, its name was not.
    assert {outcome.get("content-only") for outcome in outcomes} == {None, b"0123456789"}
    lost = {outcome.get("nothing") for outcome in outcomes}
    assert {None, b""} <= lost
    assert b"0123456789" not in lost


def test_the_note_of_a_file_that_is_gone_covers_no_other_one_with_its_inode(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    log = write(folder)
    (folder / "durable").write_bytes(b"abcdefghijklmn")
    lose_power(folder, log, random.Random(1))
    assert not (folder / "durable").exists() or len((folder / "durable").read_bytes()) < 14


def test_without_a_note_of_any_fsync_nothing_is_safe(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    lost = lose_power(tmp_path, tmp_path.parent / "no.fsync", random.Random(1))
    assert len(lost) == 1
    assert not (tmp_path / "a").exists() or os.stat(tmp_path / "a").st_size < 100


def test_what_is_lost_is_a_function_of_the_seed(tmp_path: Path) -> None:
    assert after(tmp_path / "one", 5).keys() == after(tmp_path / "two", 5).keys()
