"""A function as Lambda calls it: its environment, its context, its answer. For tests that drive the real handlers over a real lake."""

import json
import logging
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TextIO, cast

import pytest

from handlers import work
from handlers.observe import logger
from tests.world import World


@dataclass(frozen=True)
class Context:
    """What Lambda hands to a handler."""

    left: float = 300
    function_name: str = "lakelet-ingest"
    function_version: str = "1"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:111122223333:function:lakelet-ingest"
    aws_request_id: str = "11112222-3333-4444-5555-666677778888"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.left * 1000)


@dataclass
class Functions:
    """The functions over one world."""

    world: World
    captured: pytest.CaptureFixture[str]

    def invoke(self, module: ModuleType, event: Any, *, left: float = 300) -> Any:
        cast("logging.StreamHandler[TextIO]", logger.registered_handler).stream = sys.stdout  # pytest's, of this moment
        return module.handler(event, Context(left))

    def said(self) -> list[dict[str, Any]]:
        """Return what was logged since the last time, metrics included, as JSON lines."""
        return [json.loads(line) for line in self.captured.readouterr().out.splitlines() if line.startswith("{")]


def functions(world: World, monkeypatch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str], **settings: str) -> Functions:
    """Set the environment that the functions of a stack have, over a world."""
    given = {
        "LAKELET_PROJECT": str(world.home / "project"),
        "LAKELET_LAKE": world.uri,
        "LAKELET_RAW": world.uri,
        "POWERTOOLS_SERVICE_NAME": "lakelet-test",
        "POWERTOOLS_METRICS_NAMESPACE": "Lakelet",
        **settings,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    work.opened.cache_clear()
    return Functions(world, captured)
