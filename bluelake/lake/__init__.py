"""The lake: tables, drain, search, export, SQL and the published views. The one room that knows Delta and DuckDB."""
