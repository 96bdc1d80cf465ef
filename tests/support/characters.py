"""Characters of Unicode, for tests that go through all of them."""

import unicodedata


def assigned() -> list[str]:
    """Every character that this Python's Unicode knows, without surrogates and private ones."""
    return [c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in ("Cn", "Cs", "Co")]
