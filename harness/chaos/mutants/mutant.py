"""What a mutant is."""

from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError


@dataclass(frozen=True)
class Mutant:
    """One small defect. `breaks`: what it breaks, for people. `old` becomes `new` in `file`, where it stands exactly once.

    `checks`: what has to find it, in the order in which they are tried: tests as pytest names them, or `chaos SEED ACTIONS`, a
    run of the harness. `harness`: such a run, without the word `chaos`, whose oracle has to see the defect by itself; empty for
    one that loses nothing.
    """

    name: str
    breaks: str
    file: str
    old: str
    new: str
    checks: tuple[str, ...]
    harness: str = ""

    def apply(self, tree: Path) -> None:
        """Put the defect into the tree at `tree`. Raises HarnessError where the code is not what it was."""
        path = tree / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise HarnessError(
                f"{self.name}: its old text stands {text.count(self.old)} times in {self.file}, not once"
            )
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")
