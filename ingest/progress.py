"""How far each host has been followed: what the next flush stores as cursors. No I/O, and the time is passed in."""

from bluelake.core.watermark import Cursor
from ingest.clocks import are_comparable, capped_at, horizon_us, made_us, newest_us


class Progress:
    """Cursors by host name, those of hosts that are no longer configured too.

    `cursors`: as the last flush stored them. `start_us`: where the very first run begins, microseconds since 1970; 0 once there
    are cursors.
    """

    def __init__(self, cursors: dict[str, Cursor] | None = None, start_us: int = 0) -> None:
        self.cursors = dict(cursors or {})
        self.start_us = start_us
        # How far each host was ever followed. A cursor may go back behind it.
        self._reached = dict(self.cursors)

    def newest_us(self, now_us: int) -> int | None:
        """The furthest that any host was followed, by the clock of the revs, microseconds since 1970, not beyond now."""
        return newest_us(self.cursors.values(), now_us)

    def horizon_us(self, lag_us: int) -> int:
        """Everything up to here is in Redis or noted as a gap, by the clock of a host with this lag."""
        return horizon_us(self._reached.values(), lag_us, self.start_us)

    def can_compare(self, name: str, lag_us: int | None) -> bool:
        """Whether the clock of host `name`, whose lag is `lag_us`, can be compared with all others that were followed."""
        return are_comparable(lag_us, [cursor for other, cursor in self._reached.items() if other != name])

    def moved(
        self, name: str, cursor: Cursor | None, repeats_from_us: int | None, now_us: int, asked_us: int = 0
    ) -> tuple[dict[str, Cursor], bool]:
        """The cursors with host `name` at `cursor`, and whether that moves them.

        They stay where `cursor` lies between `repeats_from_us` and the present one: the connection repeats itself there. They
        stay too where it lies before `asked_us`: nobody has asked for that.
        """
        if cursor is None:
            return dict(self.cursors), False
        # Nothing has been followed beyond now, whatever the host's clock says.
        moved = capped_at(cursor, now_us)
        to_us = self.cursors.get(name, Cursor(0)).time_us
        has_moved = repeats_from_us is None or not repeats_from_us <= moved.time_us < to_us
        has_moved = has_moved and moved.time_us >= asked_us
        return ({**self.cursors, name: moved} if has_moved else dict(self.cursors)), has_moved

    def store(self, cursors: dict[str, Cursor], name: str, cursor: Cursor | None) -> None:
        """A flush that held `cursors` is in Redis. Host `name` was followed to `cursor`."""
        self.cursors = cursors
        if cursor is not None:
            self._reached[name] = max(self._reached.get(name, cursor), cursor, key=made_us)

    def take_back(self, name: str, time_us: int) -> None:
        """Count host `name` only up to `time_us`: from there on it may have left events out."""
        for cursors in (self.cursors, self._reached):
            if name in cursors and cursors[name].time_us > time_us:
                cursors[name] = Cursor(time_us, lag_us=cursors[name].lag_us)
