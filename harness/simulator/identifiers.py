"""Identifiers of the AT Protocol, synthetic but valid: TIDs, CIDs, DIDs.

https://atproto.com/specs/tid, https://atproto.com/specs/did, https://github.com/multiformats/cid
"""

import random

TID_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
# A TID ends with 10 bits that tell clocks apart. On the network nearly all are below 32.
CLOCK_IDS = 32

# RFC 4648 base32, lower case: what CIDs and did:plc use.
_BASE32 = b"abcdefghijklmnopqrstuvwxyz234567"
_TID_TRIPLES = [a + b + c for a in TID_ALPHABET for b in TID_ALPHABET for c in TID_ALPHABET]
_DIGITS = bytes(_BASE32[value % 32] for value in range(256))
# A CID's 4 bytes of header end two bits into the first digit of the digest, and those two bits are 0.
_FIRST_DIGITS = bytes(_BASE32[value % 8] for value in range(256))
# 36 bytes fill 57.6 digits of base32: the last two bits of the last digit are padding, 0.
_LAST_DIGITS = bytes(_BASE32[value % 8 * 4] for value in range(256))
_DIGEST_DIGITS = 52
_REFILL = 1024

RECORD_CID_PREFIX = "bafyrei"  # CIDv1, dag-cbor, sha2-256
BLOB_CID_PREFIX = "bafkrei"  # CIDv1, raw, sha2-256


def tid_number(time_us: int, clock_id: int) -> int:
    """The 63 bits of a TID: microseconds since 1970 and a clock's id below 1024."""
    return time_us << 10 | clock_id


def tid_text(number: int) -> str:
    """The 13 characters of base32-sortable of a TID's bits."""
    triples = _TID_TRIPLES
    return (
        TID_ALPHABET[number >> 60]
        + triples[number >> 45 & 32767]
        + triples[number >> 30 & 32767]
        + triples[number >> 15 & 32767]
        + triples[number & 32767]
    )


def random_did(rng: random.Random) -> str:
    """A did:plc with 24 random digits of base32."""
    return "did:plc:" + rng.randbytes(24).translate(_DIGITS).decode("ascii")


class CidSource:
    """Random CIDs, made many at a time since that costs a tenth of making them one by one."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._digests: list[str] = []

    def record(self) -> str:
        """A CID of a record."""
        return RECORD_CID_PREFIX + self._digest()

    def blob(self) -> str:
        """A CID of a blob: an image, a video, an avatar."""
        return BLOB_CID_PREFIX + self._digest()

    def _digest(self) -> str:
        if not self._digests:
            self._refill()
        return self._digests.pop()

    def _refill(self) -> None:
        noise = self._rng.randbytes(_DIGEST_DIGITS * _REFILL)
        digits = bytearray(noise.translate(_DIGITS))
        digits[::_DIGEST_DIGITS] = noise[::_DIGEST_DIGITS].translate(_FIRST_DIGITS)
        digits[_DIGEST_DIGITS - 1 :: _DIGEST_DIGITS] = noise[_DIGEST_DIGITS - 1 :: _DIGEST_DIGITS].translate(
            _LAST_DIGITS
        )
        text = digits.decode("ascii")
        self._digests = [text[start : start + _DIGEST_DIGITS] for start in range(0, len(text), _DIGEST_DIGITS)]
