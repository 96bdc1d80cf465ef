"""Identifiers are valid, as the tests' own readers of them say."""

import random
import re

import pytest

from harness.simulator.identifiers import CidSource, random_did, tid_number, tid_text
from tests.support.simulator import read_cid, read_tid


@pytest.mark.parametrize(
    ("text", "number"),
    [("3mptbypluud2a", None), ("2222222222222", 0), ("2222222222223", 1), ("jzzzzzzzzzzzz", 2**64 - 1)],
)
def test_tid_text_matches_known_tids(text: str, number: int | None) -> None:
    assert tid_text(read_tid(text) if number is None else number) == text


def test_tids_sort_as_their_times_do() -> None:
    rng = random.Random(1)
    numbers = sorted(tid_number(rng.getrandbits(53), rng.getrandbits(10)) for _ in range(2000))
    texts = [tid_text(number) for number in numbers]
    assert texts == sorted(texts)
    assert [read_tid(text) for text in texts] == numbers


def test_cids_are_sha256_of_cbor_and_of_blobs() -> None:
    cids = CidSource(random.Random(1))
    records = [cids.record() for _ in range(2000)]
    assert {read_cid(cid)[:4] for cid in records} == {bytes.fromhex("01711220")}
    assert {read_cid(cids.blob())[:4] for _ in range(50)} == {bytes.fromhex("01551220")}
    assert {len(read_cid(cid)) for cid in records} == {36}
    assert len(set(records)) == len(records)


def test_dids_have_24_digits_of_base32() -> None:
    rng = random.Random(1)
    assert all(re.fullmatch(r"did:plc:[a-z2-7]{24}", random_did(rng)) for _ in range(1000))
