"""The lake: tables, drain, compaction, search, SQL, published views and status. The one room that knows Delta and DuckDB."""
