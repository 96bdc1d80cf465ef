"""Writes in the background, in order, and none after one that failed."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from bluelake.lake.errors import CommitError


class Writer:
    """Runs writes one after the other in a thread of its own. After one has failed, none of the later ones is begun."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._futures: list[Future[None]] = []
        self._failed = False

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *exception: object) -> None:
        self._failed = self._failed or exception[0] is not None
        self._pool.shutdown(cancel_futures=self._failed)

    def submit(self, write: Callable[[], None]) -> None:
        """Run `write` after those before it. Raises what one of those raised."""
        self._futures.append(self._pool.submit(self._run, write))
        for future in self._futures:
            if future.done():
                future.result()

    def finish(self) -> None:
        """Wait for all of them. Raises what the first that failed raised."""
        for future in self._futures:
            future.result()

    def _run(self, write: Callable[[], None]) -> None:
        if self._failed:
            raise CommitError("not begun: an earlier write of the batch failed")
        try:
            write()
        except BaseException:
            self._failed = True
            raise
