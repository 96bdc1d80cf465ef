"""The cached views: a SQLMesh project over the lake, and the refresh that builds and publishes it."""

import os

# SQLMesh decides while it is imported whether it reports how it is used.
os.environ["SQLMESH__DISABLE_ANONYMIZED_ANALYTICS"] = "true"
