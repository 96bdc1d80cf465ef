"""SQLMesh macros of the models."""
