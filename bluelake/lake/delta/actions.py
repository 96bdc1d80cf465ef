"""What commits are made of: how a drain's files are encoded, and the action that puts a rewritten file into its table."""

from deltalake import ColumnProperties, WriterProperties
from deltalake.transaction import AddAction

from bluelake.lake.delta.rewrite import NewFile
from bluelake.lake.tables import ENCODINGS, Table


def writer_properties(table: Table) -> WriterProperties:
    """How a drain's Parquet files of `table` are encoded."""
    columns = {
        name: ColumnProperties(dictionary_enabled=False, encoding=ENCODINGS[name])
        for name in table.column_names
        if name in ENCODINGS
    }
    return WriterProperties(compression="ZSTD", compression_level=3, column_properties=columns)


def add_action(file: NewFile, now_ms: int) -> AddAction:
    """What puts `file` into its table at `now_ms`, milliseconds since 1970."""
    return AddAction(file.path, file.size_bytes, dict(file.partition), now_ms, False, file.statistics)
