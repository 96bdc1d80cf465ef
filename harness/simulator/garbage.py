"""Frames that no Jetstream sends and no client may stumble over. None of them can become a row."""

_DEEP = 100_000

_FRAMES = (
    b"not json",
    b'{"did":"did:plc:cut","time_us":17831758880',
    b"",
    b"[" * _DEEP,
    b'{"a":' * _DEEP,
    b"[1,2,3]",
    b"null",
    b'"text"',
    b"{}",
    b'{"did":7,"time_us":1783175888000000,"kind":"commit"}',
    b'{"did":"did:plc:garbage","time_us":"yesterday","kind":"identity","identity":{}}',
    b'{"did":"did:plc:garbage","time_us":1e400,"kind":"account","account":{}}',
    b'{"did":"did:plc:garbage","time_us":1783175888000000,"kind":"commit","commit":[]}',
    b'{"did":"did:plc:garbage","time_us":1783175888000000,"kind":"commit"}',
    b'{"did":"did:plc:garbage","time_us":1783175888000000,"kind":"nonsense","nonsense":{}}',
    b'{"did":"did:plc:garbage","kind":"commit","commit":{"operation":"create"}}',
    b"\xff\xfe\x00\x01",
    b'{"did":"did:plc:garbage","time_us":1783175888000000,"kind":"x\xff"}',
    b'{"$type":"message","payload":{"$type":"\xff"}}',
    b'{"kind":"x","a":[' + b"{}," * 50_000 + b"{}]}",
    b"\x28\xb5\x2f\xfd\x00\x00\x00",
    b'{"$type":"message","payload":7}',
    b'{"$type":"message"}',
    b'{"$type":"nonsense","payload":{}}',
    b'{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#commit","seq":"x"}}',
    b'{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#nonsense","seq":1}}',
)


def garbage_frame(number: int) -> bytes:
    """One of them, in turn."""
    return _FRAMES[number % len(_FRAMES)]
