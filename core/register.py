"""Tables become known to Athena: what the catalog says of a table, and of its quarantine, is brought up to what its log says."""

from collections.abc import Iterator

from core import catalog
from core.contract import Dataset, Declaration
from core.lake import Lake


def refresh(lake: Lake, declaration: Declaration) -> tuple[str, ...]:
    """Register a declaration's tables where that is due, and return those that were created or changed.

    Nothing where no catalog is set, and for a lake in a folder, which no catalog could read.

    Repeatable. A table that this process registered lately isn't even opened. Raises as `catalog.register` does.
    """
    known_to_aws = lake.settings.catalog and lake.settings.lake.startswith("s3://")
    return tuple(_registered(lake, declaration)) if known_to_aws else ()


def _registered(lake: Lake, declaration: Declaration) -> Iterator[str]:
    database, options = lake.settings.catalog, lake.settings.aws
    if not catalog.known(database, catalog.table_name(declaration.name), options) and (table := lake.table(declaration)):
        wanted = catalog.table_input(declaration, table.schema, table.uri)
        if catalog.register(database, wanted, options) in ("created", "updated"):
            yield declaration.name
    if not isinstance(declaration, Dataset) or catalog.known(database, catalog.quarantine_name(declaration.name), options):
        return
    if table := lake.quarantine(declaration):
        wanted = catalog.quarantine_input(declaration, table.schema, table.uri)
        if catalog.register(database, wanted, options) in ("created", "updated"):
            yield f"quarantine.{declaration.name}"
