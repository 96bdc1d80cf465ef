"""From messages to pending frames, up to a due flush or a hole."""

import logging
from collections.abc import Iterable, Iterator

from bluelake.core.clock import now_us
from bluelake.core.metrics import Metrics
from bluelake.core.reasons import HostFault
from ingest.activity import Activity
from ingest.clocks import FAR_BEHIND_US
from ingest.continuity import Continuity
from ingest.decoder import TOO_LARGE, Decoder
from ingest.errors import HostError
from ingest.flush_pipeline import FlushPipeline
from ingest.frames import Notice, Rejected, Routed
from ingest.host import HostState
from ingest.pending import reject_notice

log = logging.getLogger(__name__)

HEARTBEATS = ("cursor", "heartbeat")


class Intake:
    """Puts one connection's frames into their queues.

    `continuity`: holds events behind a hole back. `first_by_us`: the latest time that the first event may have, None for any.
    `is_broken`: a message could not be handled, and nothing behind it may be placed.
    """

    def __init__(
        self,
        host: HostState,
        decoder: Decoder,
        continuity: Continuity,
        pipeline: FlushPipeline,
        metrics: Metrics,
        flush_events: int,
        first_by_us: int | None = None,
    ) -> None:
        self._host = host
        self._decoder = decoder
        self.continuity = continuity
        self._pipeline = pipeline
        self._metrics = metrics
        self._flush_events = flush_events
        self._first_by_us = first_by_us
        self._messages: Iterator[bytes] = iter(())
        self.is_broken = False
        self.activity = Activity()

    def feed(self, messages: Iterable[bytes]) -> None:
        """Take the next messages. Those before must have been placed."""
        self._messages = iter(messages)

    def place(self) -> bool:
        """Put frames into their queues. Returns whether it stopped for a flush or a hole, before all were placed.

        Raises HostError where the host breaks its protocol.
        """
        decoder, continuity = self._decoder, self.continuity
        route, inflater, largest = decoder.wire.route, decoder.inflater, decoder.largest_bytes
        add, flush_events = self._pipeline.pending.add, self._flush_events
        events, time_us, number = 0, continuity.last_us, None
        behind_us, ahead_us = continuity.behind_us(), continuity.ahead_us()
        try:
            for message in self._messages:
                frame = message if inflater is None else inflater.inflate(message)
                routed = route(frame) if len(frame) <= largest else TOO_LARGE
                if not isinstance(routed, tuple):
                    if self._set_aside(frame, routed) >= flush_events:
                        return True
                    continue
                if not behind_us <= routed[2] <= ahead_us:
                    self._check_first(routed[2])
                    if routed[2] < behind_us:
                        if self._place_odd(routed, time_us or continuity.position_us) >= flush_events:
                            return True
                        continue
                    continuity.note(events, time_us, number)
                    self.activity.placed(events)
                    events = 0
                    self._host.observe_lag(*self._pipeline.pending.busiest())
                    if not continuity.admit(routed):
                        ahead_us = -1
                        if continuity.hole is not None:
                            return True
                        continue
                    self.release()
                    behind_us, ahead_us = max(behind_us, routed[2] - FAR_BEHIND_US), routed[2] + continuity.gap_us
                queue, frame, time_us, number = routed
                events += 1
                if add(queue, frame, time_us, number) >= flush_events:
                    return True
            return False
        except Exception:
            self.is_broken = True
            raise
        finally:
            self.activity.placed(events)
            continuity.note(events, time_us, number)

    def _place_odd(self, routed: Routed, position_us: int) -> int:
        """Place an event whose time is years behind the stream's `position_us`. Returns as `Pending.add`."""
        queue, frame, time_us, seq = routed
        self.activity.placed(1)
        return self._pipeline.pending.add_odd(queue, frame, time_us, seq, position_us)

    def place_overdue(self) -> None:
        """Place the events that were held back for long enough."""
        for queue, frame, time_us, seq in self.continuity.overdue():
            self._pipeline.pending.add(queue, frame, time_us, seq)
            self.activity.placed(1)

    def _check_first(self, time_us: int) -> None:
        """Raise HostError where the first event, asked for by its number, is another one: the host counts anew."""
        latest_us, self._first_by_us = self._first_by_us, None
        if latest_us is not None and time_us > latest_us:
            raise HostError(
                HostFault.RENUMBERED, f"{self._host.name} has another event under the number of the last one"
            )

    def cross(self) -> None:
        """Go on behind the hole."""
        self.continuity.cross()
        self.release()

    def release(self) -> None:
        """Place the events that were held back."""
        for queue, frame, time_us, seq in self.continuity.release():
            self._pipeline.pending.add(queue, frame, time_us, seq)
            self.activity.placed(1)
        self._host.left_hole()

    def _set_aside(self, frame: bytes, routed: Rejected | Notice) -> int:
        """Keep a reject, or heed a notice. Returns as `Pending.add`. Raises HostError for a host's own error."""
        if isinstance(routed, Notice):
            # A host may send these every second.
            level = logging.DEBUG if routed.name in HEARTBEATS else logging.WARNING
            log.log(level, "%s says %s: %s", self._host.name, routed.name, routed.message)
            if routed.is_error:
                raise HostError(
                    HostFault.ERROR_FRAME, f"{self._host.name} ended the stream: {routed.name} {routed.message}"
                )
            if routed.name == "OutdatedCursor":
                self.continuity.begins_late()
            self.activity.noticed()
            return 0
        self._metrics.counter("bluelake_ingest_rejects_total").labels(routed.reason.value).inc()
        received_us = now_us()
        self.activity.rejected()
        notice = reject_notice(frame, routed.reason, received_us)
        return self._pipeline.pending.add_notice("rejects", notice, received_us)
