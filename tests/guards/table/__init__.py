"""All guards, in the order in which a row meets them."""

from typing import Final

from tests.guards.guard import Guard
from tests.guards.table import (
    amend,
    binaries,
    commit,
    deliveries,
    files,
    increments,
    kinds,
    limits,
    places,
    posts,
    sessions,
    tables,
    told,
    upkeep,
    values,
    versions,
)

GUARDS: Final[tuple[Guard, ...]] = (
    *deliveries.GUARDS,
    *places.GUARDS,
    *files.GUARDS,
    *limits.GUARDS,
    *binaries.GUARDS,
    *values.GUARDS,
    *kinds.GUARDS,
    *commit.GUARDS,
    *increments.GUARDS,
    *versions.GUARDS,
    *amend.GUARDS,
    *tables.GUARDS,
    *upkeep.GUARDS,
    *posts.GUARDS,
    *sessions.GUARDS,
    *told.GUARDS,
)
