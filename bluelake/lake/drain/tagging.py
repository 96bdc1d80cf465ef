"""Tags of posts on which SQL cannot decide: other characters than ASCII letters and digits, or tags in the text."""

import duckdb
import pyarrow as pa

from bluelake.lake.tables import TEXTS
from bluelake.lake.text import tags_of

_TAGGED = pa.schema([("ordinal", pa.int64()), ("hashtags", TEXTS), ("hashtag_keys", TEXTS)])


def add_tags(connection: duckdb.DuckDBPyConnection, relation: str) -> None:
    """Fill in `hashtags` and `hashtag_keys` of the rows of `relation` without keys, whose `hashtags` are as stated.

    A pass over these rows, since a function that SQL calls makes DuckDB import pandas where it is installed.
    """
    found = connection.execute(
        f"SELECT ordinal, hashtags, text FROM {relation} WHERE hashtag_keys IS NULL AND text IS NOT NULL"
    ).to_arrow_table()
    if found.num_rows == 0:
        return
    rows = found.select(["hashtags", "text"]).to_pylist()
    tags = [tags_of(row["hashtags"], row["text"]) for row in rows]
    spelled, keys = pa.array([tag for tag, _ in tags], TEXTS), pa.array([key for _, key in tags], TEXTS)
    connection.register("tagged", pa.table([found["ordinal"], spelled, keys], schema=_TAGGED))
    try:
        connection.execute(
            f"UPDATE {relation} AS p SET hashtags = t.hashtags, hashtag_keys = t.hashtag_keys"
            " FROM tagged AS t WHERE t.ordinal = p.ordinal"
        )
    finally:
        connection.unregister("tagged")
