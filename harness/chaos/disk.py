"""A small disk for a run's state, so that it can be filled: a tmpfs, where this machine lets one be mounted."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

SIZE_MB = 48
_BLOCK = bytes(1 << 16)


class SmallDisk:
    """A disk mounted on `folder`, or not: `is_mounted` tells, and `reason` why not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._filler = folder / "filler"
        self.is_mounted = False
        self.reason = ""

    def mount(self) -> None:
        """Mount it, if this machine lets that be done."""
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(self._folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            self.reason = f"no small disk can be mounted: {error}"
            return
        self.is_mounted = done.returncode == 0
        if not self.is_mounted:
            self.reason = f"no small disk can be mounted: {done.stderr.strip()}"

    def fill(self) -> None:
        """Leave no room at all."""
        with suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while True:
                file.write(_BLOCK)

    def make_room(self) -> None:
        """Take back what `fill` wrote."""
        self._filler.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Take the disk away; what lies on it stays, in a folder of the same name. Raises CalledProcessError, OSError."""
        if not self.is_mounted:
            return
        self.make_room()
        aside = self._folder.with_name("kept")
        shutil.copytree(self._folder, aside)
        subprocess.run(["umount", str(self._folder)], check=True)
        self.is_mounted = False
        self._folder.rmdir()
        aside.rename(self._folder)
