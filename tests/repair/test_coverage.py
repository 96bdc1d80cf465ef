"""Coverage: the spans that a recording really holds."""

from repair.coverage import Coverage

SECOND = 1_000_000


def test_runs_of_events() -> None:
    coverage = Coverage(60 * SECOND)
    coverage.add([at * SECOND for at in (1000, 0, 55, 110)])
    coverage.add([at * SECOND for at in (160, 1050, 2000)])
    coverage.add([])
    assert coverage.spans() == [(0, 160 * SECOND), (1000 * SECOND, 1050 * SECOND), (2000 * SECOND, 2000 * SECOND)]
