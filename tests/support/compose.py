"""`docker-compose.yml`, parsed."""

import re
from typing import Any

import yaml

from tests.support.paths import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
INTERPOLATION = re.compile(r"\$\{(?P<name>\w+)(?::(?P<operator>[-?])(?P<rest>[^}]*))?\}")


def environment(service: str) -> dict[str, str | None]:
    """A service's variables."""
    found: dict[str, str | None] = SERVICES[service].get("environment", {})
    return found
