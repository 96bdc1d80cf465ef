"""SQL statements: each file parses by itself, and `query` puts the relations before it that it names."""

from pathlib import Path

import duckdb
import pytest

from bluelake.lake.query import query, statement
from tests.support.paths import ROOT

PACKAGES = ("bluelake", "dags", "harness", "ingest", "repair", "transforms", "webapi")
STATEMENTS = sorted(
    path
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.sql")
    # SQLMesh's own language; tests/transforms loads them.
    if path.parent != ROOT / "transforms" / "models"
)


def test_statements_are_found_in_every_package_that_has_some() -> None:
    packages = {path.relative_to(ROOT).parts[0] for path in STATEMENTS}
    assert packages == {"bluelake", "repair", "transforms"}


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_is_whole_statements(path: Path) -> None:
    statements = duckdb.extract_statements(path.read_text(encoding="utf-8"))
    assert statements
    assert path.read_text(encoding="utf-8").startswith("-- "), "begins with what it is for"
    if path.name != "parse_macros.sql":
        assert len(statements) == 1


@pytest.fixture
def beside(tmp_path: Path) -> str:
    """The name of a module with statements beside it."""
    (tmp_path / "sql").mkdir()
    files = {
        "plain": "-- Rows.\n-- Two lines of comment.\nSELECT a FROM rows WHERE a > $least ORDER BY a\n",
        "own": "-- Of its own.\nWITH doubled AS (SELECT 2 * a AS a FROM rows)\nSELECT a FROM doubled ORDER BY a\n",
        "recursive": "-- Itself.\nWITH RECURSIVE n AS (FROM rows UNION ALL SELECT a - 1 FROM n WHERE a > 0)\nFROM n\n",
        "joined": "-- Over two.\nSELECT r.a FROM rows AS r WHERE NOT EXISTS (SELECT 1 FROM deletes AS d WHERE d.a = r.a)\n",
    }
    for name, text in files.items():
        (tmp_path / "sql" / f"{name}.sql").write_text(text, encoding="utf-8")
    return str(tmp_path / "module.py")


THREE = "(SELECT unnest([3, 1, 2]) AS a)"


def test_a_statement_loses_its_leading_comment(beside: str) -> None:
    assert statement(beside, "plain") == "SELECT a FROM rows WHERE a > $least ORDER BY a"


def test_a_query_runs_over_its_relations_with_bound_values(beside: str) -> None:
    found = duckdb.connect().execute(query(beside, "plain", rows=THREE), {"least": 1}).fetchall()
    assert found == [(2,), (3,)]


def test_a_statement_may_have_common_table_expressions_of_its_own(beside: str) -> None:
    assert duckdb.connect().execute(query(beside, "own", rows=THREE)).fetchall() == [(2,), (4,), (6,)]


def test_a_query_is_a_relation_of_the_next(beside: str) -> None:
    # Both name their relation `rows`: the inner one does not see the outer one's.
    inner = f"({query(beside, 'own', rows=THREE)})"
    joined = query(beside, "joined", rows=inner, deletes="(SELECT 4 AS a)")
    assert sorted(duckdb.connect().execute(joined).fetchall()) == [(2,), (6,)]
    outer = query(beside, "own", rows=f"({joined})")
    assert duckdb.connect().execute(outer).fetchall() == [(4,), (12,)]


def test_a_query_fills_a_table_and_defines_a_view(beside: str) -> None:
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE filled AS {query(beside, 'own', rows=THREE)}")
    connection.execute(f"INSERT INTO filled {query(beside, 'plain', rows=THREE)}", {"least": 2})
    connection.execute(f"CREATE VIEW seen AS SELECT * FROM ({query(beside, 'own', rows='filled')})")
    assert connection.execute("FROM seen").fetchall() == [(4,), (6,), (8,), (12,)]


def test_a_filter_reaches_the_files_through_a_relation(beside: str, tmp_path: Path) -> None:
    connection = duckdb.connect()
    file = tmp_path / "rows.parquet"
    connection.execute(f"COPY (SELECT unnest([3, 1, 2]) AS a, 'text' AS b) TO '{file}'")
    text = query(beside, "plain", rows=f"read_parquet('{file}')")
    plan = connection.execute(f"EXPLAIN {text}", {"least": 1}).fetchall()[0][1]
    reader = plan[plan.index("READ_PARQUET") :]
    assert "Filters" in reader
    assert "a>1" in reader.replace(" ", "")


def test_a_relation_that_would_name_itself_is_refused(beside: str) -> None:
    with pytest.raises(ValueError, match="rows would name itself"):
        query(beside, "plain", rows="rows")


def test_a_recursive_statement_takes_no_relations(beside: str) -> None:
    with pytest.raises(ValueError, match="recursive"):
        query(beside, "recursive", rows=THREE)
