"""`@lake(table)`: how a model reads the lake."""

from datetime import timedelta

from sqlglot import exp
from sqlmesh import macro
from sqlmesh.core.macros import MacroEvaluator


@macro()
def lake(
    evaluator: MacroEvaluator,
    table: exp.Expression,
    days_before: int = 0,
    until_now: bool = False,
    whole: bool = False,
) -> exp.Expr:
    """The current rows of a table of the lake, for the interval that the model computes.

    `days_before`: also so many days before the interval. `until_now`: also all that came after it. `whole`: of any time.

    The stage decides what the macro stands for:

    - While the project loads, and in a unit test: an external model. `external_models.yaml` declares its columns, and
      the test gives its rows.
    - While SQLMesh makes a model's table: a relation without rows.
    - While SQLMesh computes an interval: a temporary view over the files of that interval. SQLMesh copies and parses
      its SQL many times. A list of thousands of files in it would make that slow.
    """
    # Here and not above: SQLMesh copies into the model what a macro refers to outside itself.
    from transforms.source import nothing, relation

    stage = evaluator.locals["runtime_stage"]
    if stage in ("loading", "testing"):
        return exp.to_table(f"lake.{table.name}")
    if stage != "evaluating":
        return evaluator.parse_one(nothing(table.name))
    # SQLMesh's interval ends with its last microsecond.
    start = None if whole else evaluator.locals["start_dt"] - timedelta(days=days_before)
    end = None if whole or until_now else evaluator.locals["end_dt"] + timedelta(microseconds=1)
    view = f"lake_{table.name}_{'whole' if whole else days_before}{'_until_now' if until_now else ''}"
    rows = relation(table.name, start, end)
    evaluator.engine_adapter.cursor.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT * FROM {rows}")
    return exp.to_table(f"temp.main.{view}")
