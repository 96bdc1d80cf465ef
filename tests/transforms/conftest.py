"""SQLMesh is imported here first: importing it warns of what it has itself still to change."""

import warnings

import transforms  # noqa: F401  (before SQLMesh: it turns the telemetry off)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import sqlmesh  # noqa: F401
