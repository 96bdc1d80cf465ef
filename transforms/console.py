"""The console that SQLMesh reports to. It counts progress, keeps failures, and prints nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlglot import exp
from sqlmesh.core.console import NoopConsole
from sqlmesh.core.snapshot import Snapshot
from sqlmesh.utils.concurrency import NodeExecutionFailedError
from sqlmesh.utils.date import to_datetime
from sqlmesh.utils.errors import NodeAuditsErrors

from transforms.changes import ViewDay
from transforms.errors import AuditFailedError, BuildError

# Called with the number of intervals done, the number in all, and the view's name.
Progress = Callable[[int, int, str], None]


class RefreshConsole(NoopConsole):
    """SQLMesh's console for one refresh.

    `computed`: the days of views that SQLMesh has decided to compute. `failed`: the views that could not be computed or
    failed an audit, each with its error.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.computed: set[ViewDay] = set()
        self.failed: dict[str, BuildError] = {}
        self.done = 0
        self._total = 0
        self._progress = progress
        self._messages: list[str] = []

    def start_evaluation_progress(
        self, batched_intervals: dict[Snapshot, list[tuple[int, int]]], *args: Any, **kwargs: Any
    ) -> None:
        """SQLMesh has decided which intervals it computes."""
        for snapshot, intervals in batched_intervals.items():
            self._total += len(intervals)
            for start, end in intervals:
                day = to_datetime(start)
                while day < to_datetime(end):
                    self.computed.add((_view(snapshot), day.date()))
                    day += timedelta(days=1)

    def update_snapshot_evaluation_progress(self, snapshot: Snapshot, *args: Any, **kwargs: Any) -> None:
        """SQLMesh has computed and audited one interval of one model."""
        self.done += 1
        if self._progress:
            self._progress(self.done, self._total, _view(snapshot))

    def log_failed_models(self, errors: list[NodeExecutionFailedError[Any]]) -> None:
        """SQLMesh could not compute these models, or their audits failed."""
        for failure in errors:
            name = exp.to_table(getattr(failure.node, "snapshot_name", str(failure.node))).name
            self.failed[name] = _error(name, failure.__cause__ or failure)

    def log_error(self, message: str) -> None:
        """SQLMesh reports another failure."""
        self._messages.append(message)

    def error(self, raised: Exception) -> BuildError:
        """The exception to raise in place of `raised`, with the reasons that SQLMesh reported."""
        reasons = "; ".join(map(str, [*self.failed.values(), *self._messages] or [raised]))
        return BuildError(f"the views could not be built, the published ones stay as they are: {reasons}")


def _error(name: str, cause: BaseException) -> BuildError:
    """What kept the view `name` from being computed."""
    if isinstance(cause, NodeAuditsErrors):
        found = "; ".join(f"{audit}\n{audit.sql()}" for audit in cause.errors)
        return AuditFailedError(f"{name}: {found}")
    return BuildError(f"{name}: {cause}")


def _view(snapshot: Snapshot) -> str:
    return snapshot.node.name.rpartition(".")[2]
