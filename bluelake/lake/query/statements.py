"""How the lake's SQL is put together: one whole statement from a `.sql` file, over relations that it names.

Each `.sql` file lies in the folder `sql/` beside its user and parses by itself. It names the relations that it works on:

    -- sql/newest.sql
    SELECT max(event_at) FROM rows WHERE did = $did

`query` puts each relation before the statement as a common table expression. Values are bound when it is run:

    connection.execute(query(__file__, "newest", rows=all_rows(store, "posts")), {"did": did})

A relation is SQL that can follow FROM: a table's name, or a SELECT in parentheses. The lists of files in it are literals,
since DuckDB takes no parameters in a view. `bluelake.lake.query.relations` makes such relations.
"""

from functools import cache
from pathlib import Path


@cache
def statement(beside: str, name: str) -> str:
    """The text of `sql/<name>.sql` in the folder of the module whose `__file__` is `beside`, without the leading comment."""
    lines = (Path(beside).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8").splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    return "".join(lines[first:]).rstrip()


def query(beside: str, name: str, **relations: str) -> str:
    """The statement `sql/<name>.sql` beside the module `beside`, with each of `relations` under the name that it uses.

    Raises ValueError for a relation with its own name, which would mean itself, and for a recursive statement.
    """
    text = statement(beside, name)
    if text.startswith("WITH RECURSIVE "):
        raise ValueError(f"{name}: a recursive statement cannot take relations")
    if itself := [key for key, value in relations.items() if key == value]:
        raise ValueError(f"{name}: the relation {itself[0]} would name itself; give the table another name")
    if not relations:
        return text
    # NOT: DuckDB would read all columns of what it materialises, and push no filter into it.
    named = ", ".join(f"{key} AS NOT MATERIALIZED (SELECT * FROM {value})" for key, value in relations.items())
    own = text.removeprefix("WITH ")
    return f"WITH {named}{' ' if own == text else ', '}{own}"
