"""Entry point of `bluelake`: the commands, and errors as one line."""

import sys
from collections.abc import Sequence

import cyclopts
from cyclopts.exceptions import CycloptsError

from bluelake.cli import applications, data, processes
from bluelake.core.errors import BluelakeError

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

app = cyclopts.App(
    name="bluelake",
    help="The Bluesky firehose as a lake of Parquet: collect, search, export, query.\n\n"
    "Settings come from the environment (docs/settings.md); all state is in BLUELAKE_HOME, by default ./data.",
    version_flags=[],
    help_format="markdown",
    result_action="return_value",
)
processes.register(app)
data.register(app)
applications.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `bluelake` with `arguments`, the process's by default. Returns the exit code."""
    try:
        app(sys.argv[1:] if arguments is None else list(arguments), exit_on_error=False, print_error=True)
    except CycloptsError:
        return EXIT_USAGE
    except BluelakeError as error:
        print(f"bluelake: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        print(
            f"bluelake: the package {error.name} is not installed; requirements/ of a checkout name them",
            file=sys.stderr,
        )
        return EXIT_USAGE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"bluelake: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:
        # An application's own error that names an exit code is one line, too. Anything else is a defect and is shown whole.
        exit_code = getattr(error, "exit_code", None)
        if not isinstance(exit_code, int):
            raise
        print(f"bluelake: {error}", file=sys.stderr)
        return exit_code
    return 0
