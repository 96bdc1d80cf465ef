"""The simulator as a command of Bluelake: one timeline a BLUELAKE_HOME, continued at every start.

`bluelake simulate` takes the options of `python -m harness.simulator`. Only the defaults differ, and they are here.
"""

from collections.abc import Iterable
from typing import Annotated

from cyclopts import App, Argument, Parameter, Token

from bluelake.core.settings import Settings, load_settings
from bluelake.stack.demo import HISTORY_DAYS, epoch_us
from harness.simulator.options import SimulatorOptions

_DEFAULTS = SimulatorOptions()


def simulate(*, options: Annotated[SimulatorOptions, Parameter(name="*")] = _DEFAULTS) -> None:
    """Serve Jetstream's wires with synthetic traffic, in the foreground. A second start continues its timeline.

    By default it listens on SIMULATOR_PORT, its history is 2d (with --file none), its epoch is the first start on this
    BLUELAKE_HOME, and it records the truth in BLUELAKE_HOME/simulator/ledger.jsonl.
    """
    from harness.simulator.run import run

    run(options)


def home_defaults(settings: Settings, *, serves_file: bool) -> dict[str, str]:
    """The values of the options that this home gives where the command line does not, as a person writes them.

    `serves_file`: the history comes from a file, so there is none to generate. Raises ConfigurationError.
    """
    return {
        "--port": str(settings.simulator_port),
        "--history": "0" if serves_file else f"{HISTORY_DAYS}d",
        "--epoch": str(epoch_us(settings)),
        "--ledger": str(settings.home / "simulator" / "ledger.jsonl"),
    }


def _add_home_defaults(app: App, commands: tuple[str, ...], arguments: Iterable[Argument]) -> None:
    """Fill in what the command line left out, before cyclopts makes the options."""
    left_out = {argument.name: argument for argument in arguments if not argument.has_tokens}
    for name, value in home_defaults(load_settings(), serves_file="--file" not in left_out).items():
        if name in left_out:
            left_out[name].append(Token(keyword=name, value=value, source="BLUELAKE_HOME"))


def register(app: App) -> None:
    """Add this command to `app`."""
    app.command(simulate, config=_add_home_defaults)
