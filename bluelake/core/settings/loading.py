"""Reading the settings of this process from its environment."""

from pydantic import ValidationError

from bluelake.core.errors import ConfigurationError
from bluelake.core.settings.derived import Settings
from bluelake.core.urls import shown


def load_settings() -> Settings:
    """The settings of this process, from its environment.

    Raises ConfigurationError, in one line, for the first setting with a bad value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        # The check of several settings names them in its own message.
        named = f"{str(first['loc'][0]).upper()}={first['input']}: {message}" if first["loc"] else message
        line = " ".join(f"{named} (docs/settings.md)".splitlines())
        raise ConfigurationError(shown(line)) from None
