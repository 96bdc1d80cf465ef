"""Where SQLMesh's own command finds the project's configuration. A refresh makes its own, from its settings."""

from bluelake.core.settings import load_settings
from transforms.project import project_config

config = project_config(load_settings())
