"""The span that a slow host may have served only in part."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SuspectSpan:
    """A span of which `url` may have served only a part. Another host serves it again.

    `from_us`, `to_us`: microseconds since 1970, by the clock of the revs.
    """

    url: str
    from_us: int
    to_us: int

    def is_covered(self, url: str, begun_us: int, last_us: int) -> bool:
        """Whether a connection to `url` served the whole span. It was read from `begun_us` to `last_us`, by the revs' clock."""
        return url != self.url and begun_us <= self.from_us and last_us >= self.to_us
