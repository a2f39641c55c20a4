"""How each type of resource is made: a closed dict. A type that is not in it fails by its name before anything is made."""

from typing import Final

from infra.local.make_compute import COMPUTE
from infra.local.make_data import DATA
from infra.local.make_messages import MESSAGES
from infra.local.make_watch import WATCH
from infra.local.making import Maker

MAKERS: Final[dict[str, Maker]] = DATA | COMPUTE | MESSAGES | WATCH
