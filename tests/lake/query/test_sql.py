"""`bluelake sql`: any query, nothing but queries, over exactly the live files."""

from pathlib import Path

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.drain import drain
from bluelake.lake.errors import QueryError
from bluelake.lake.query.sql import run_sql
from bluelake.lake.tables import TABLES
from tests.support.buffers import feed
from tests.support.frames import commit_frame


def test_every_table_has_both_views_before_there_is_a_lake(lake_settings: Settings) -> None:
    tables = {row[0] for row in run_sql(lake_settings, "SHOW TABLES").rows}
    assert tables == {*TABLES, *(f"{name}_all" for name in TABLES)}
    for name, table in TABLES.items():
        result = run_sql(lake_settings, f"FROM {name}_all")
        assert result.columns == tuple(field.name for field in table.schema)
        assert result.rows == []


def test_files_that_no_snapshot_names_are_not_read(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, [commit_frame(rkey="3ka")])
    drain(settings)
    (live,) = (settings.lake_dir / "likes").rglob("*.parquet")
    live.with_name("stray.parquet").write_bytes(live.read_bytes())
    assert run_sql(settings, "SELECT count(*) FROM likes_all").rows == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        "WITH a AS (SELECT 1 AS x) SELECT x FROM a",
        "FROM likes",
        "DESCRIBE posts",
        "SHOW TABLES",
        "SUMMARIZE likes",
        "EXPLAIN SELECT 1",
        "explain analyze FROM likes",
        "SELECT hour, count(*) FROM posts GROUP BY ALL;",
    ],
)
def test_queries_of_every_kind_run(statement: str, lake_settings: Settings) -> None:
    run_sql(lake_settings, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP VIEW posts",
        "CREATE TABLE x AS SELECT 1",
        "INSERT INTO posts_all SELECT * FROM posts_all",
        "COPY (SELECT 1) TO '{home}/x.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{home}/lake/x.csv'",
        "explain  (analyze, format json) COPY (SELECT 1) TO '{home}/lake/x.csv'",
        "EXPLAIN/**/ANALYZE COPY (SELECT 1) TO '{home}/lake/x.csv'",
        "EXPLAIN DROP VIEW posts",
        "ATTACH '{home}/x.duckdb'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "SELECT * FROM read_text('{home}/secret')",
        "SELECT * FROM '{home}/secret'",
        "SELECT * FROM read_text('{home}/tmp/of-another')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT 1; DROP VIEW posts",
        "",
        "SELECT",
        "nonsense",
    ],
)
def test_nothing_else_runs_and_no_other_file_is_read(statement: str, lake_settings: Settings, home: Path) -> None:
    for name in ("secret", "tmp/of-another"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text("secret")
    (home / "lake").mkdir()
    with pytest.raises(QueryError):
        run_sql(lake_settings, statement.format(home=home))
    assert list(home.rglob("x.csv")) == []
    assert not (home / "x.duckdb").exists()


def test_what_does_not_fit_the_memory_spills(home: Path) -> None:
    settings = Settings(bluelake_home=home, duckdb_memory_mb=128, duckdb_threads=1)
    # 192 MB are kept between the two readings of `a`.
    result = run_sql(
        settings,
        "WITH a AS MATERIALIZED (SELECT i, hash(i) AS h FROM range(12000000) AS r(i)) "
        "SELECT (SELECT sum(i) FROM a), (SELECT count_if(h = hash(i)) FROM a)",
    )
    assert result.rows == [(71_999_994_000_000, 12_000_000)]
    assert list(home.rglob("duckdb*")) == []
