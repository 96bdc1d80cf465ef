"""The configuration for SQLMesh's own command. A refresh makes another one, from its settings."""

from bluelake.core.settings import load_settings
from transforms.project import project_config

config = project_config(load_settings())
