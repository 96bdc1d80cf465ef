"""Every setting of every process, once.

Read them with `load_settings()`: it turns a bad value into a `ConfigurationError` of one line.

| to change | look in |
|---|---|
| a setting, its default or its description | fields.py |
| the values that a setting takes | checks.py, start.py |
| a folder under BLUELAKE_HOME, a unit | derived.py |
| how a bad value is reported | loading.py |
| the check of BLUELAKE_HOME | home.py |
"""

from bluelake.core.settings.derived import Settings
from bluelake.core.settings.fields import PUBLIC_JETSTREAM_URLS
from bluelake.core.settings.home import require_home
from bluelake.core.settings.loading import load_settings
from bluelake.core.settings.start import parse_start

__all__ = ["PUBLIC_JETSTREAM_URLS", "Settings", "load_settings", "parse_start", "require_home"]
