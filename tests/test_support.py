"""What tests share: one place for it, names for cases, and a Redis that is as new for each test."""

import ast
from datetime import UTC, datetime

import pytest
import redis

from bluelake.buffer.client import Buffer
from tests.support.cases import case_name
from tests.support.paths import ROOT
from tests.support.redis import RedisServer


def test_no_test_imports_another_one() -> None:
    """Else a change in one test breaks a test in another room."""
    found = []
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            if module and module.startswith("tests.") and not module.startswith("tests.support"):
                found.append(f"{path.relative_to(ROOT)}: {module}")
    assert found == []


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (["search", "x"], "search, x"),
        ({"WEB_PORT": "http"}, "WEB_PORT=http"),
        ([], "none"),
        (((0, 300), (301, 600)), "0, 300, 301, 600"),
        ({"b", "a"}, "a, b"),
        (OSError(28, "No space"), "OSError"),
        (datetime(2026, 7, 4, tzinfo=UTC), "2026-07-04 00:00:00+00:00"),
        ("text", None),
        ("long" * 20, "long" * 14 + "lon~"),
        (7, None),
        ([object()], None),
        (["long"] * 20, "long, " * 9 + "long,~"),
    ],
)
def test_a_case_is_named_after_its_value(value: object, name: str | None) -> None:
    assert case_name(value) == name


def test_a_redis_is_as_new_after_a_reset(own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port, decode_responses=True) as client:
        subscriber = client.pubsub()
        subscriber.subscribe("x")
        before = client.config_get("*")
        client.set("key", "value")
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        sha = client.script_load("return 1")

        own_redis.reset()

        assert client.keys("*") == []
        assert client.config_get("*") == before
        assert client.script_exists(sha) == [False]
        assert len(client.client_list()) == 1
        with pytest.raises(redis.exceptions.ConnectionError):
            subscriber.connection.read_response()


def test_a_redis_that_a_test_stopped_is_started_again(own_redis: RedisServer) -> None:
    own_redis.stop()
    own_redis.reset()
    with redis.Redis(port=own_redis.port) as client:
        assert client.ping()


@pytest.mark.parametrize("turn", ["first", "second"])
def test_a_test_finds_nothing_of_the_one_before(turn: str, buffer: Buffer, redis_server: RedisServer) -> None:
    with redis.Redis(port=redis_server.port) as client:
        assert client.dbsize() == 0
        assert client.config_get("maxmemory")["maxmemory"] == "0"
        client.set("left by", turn)
        client.config_set("maxmemory", "10mb")
    assert buffer.state().flush == 0
