"""Write raw input, immutably: records of one dataset, held against its contract by the readers that will load them, as one raw object.

Who may be told what lies here: `land`, what it says, and how a body is cut into records. Nothing here knows HTTP.
"""

from core.land.bodies import CUTTERS, Malformed, Record, TooMuch
from core.land.claims import Reused, Underway
from core.land.landing import Keep, Landed, land
from core.land.names import Unpostable, unpostable
from core.land.verdicts import Verdict

__all__ = [
    "CUTTERS",
    "Keep",
    "Landed",
    "Malformed",
    "Record",
    "Reused",
    "TooMuch",
    "Underway",
    "Unpostable",
    "Verdict",
    "land",
    "unpostable",
]
