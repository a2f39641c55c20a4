"""Whether the names that a file brings are those that its contract declares. Decides, reads nothing."""

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

from core.contract import Dataset
from core.errors import Rejected
from core.quoting import literal
from core.readers.files import refused, too_large

NO_NAMES = "and no field like any of them: is there a header, and is the separator the declared one?"


def check_header(dataset: Dataset, name: str, names: Sequence[str]) -> None:
    """Raise Rejected, with everything that is wrong, unless each declared name stands there exactly once; order is free."""
    wanted = list(dict.fromkeys(column.source_name for column in dataset.read_columns))
    named = _is_header(dataset, names, wanted)
    unexpected = [found for found in dict.fromkeys(names) if found and found not in wanted]
    wrong = [
        _listed("missing", [_missing(name, unexpected) for name in wanted if name not in names]),
        _listed("unexpected", unexpected if dataset.source.unknown_columns == "reject" else []) if named else NO_NAMES,
        _listed("duplicate", [found for found, times in Counter(names).items() if found and times > 1]) if named else "",
        *(["empty name at position " + _shown([str(place) for place, found in enumerate(names, 1) if not found])] if "" in names else []),
    ]
    if found := ", ".join(filter(None, wrong)):
        raise mismatch(dataset, name, found)


def _is_header(dataset: Dataset, names: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether these may be told as names: a line that holds nothing like a declared name may be a record, and its cells values."""
    if dataset.source.format == "parquet" or dataset.reports.values:
        return True
    known, found = [name.strip().casefold() for name in wanted], [name.strip().casefold() for name in names]
    if not set(found).isdisjoint(known) or any(get_close_matches(name, known, 1, 0.75) for name in found):
        return True
    return len(found) == 1 and sum(name in found[0] for name in known) > 1  # separated otherwise than declared


def check_width(dataset: Dataset, name: str, found: int) -> None:
    """Raise Rejected where a file has so many columns that to read it would take all memory."""
    most = max(dataset.source.limits.columns, len(dataset.read_columns))
    if found > most:
        raise too_large(dataset, name, "the header has too many columns", f"at most {most:,} (limits.columns)", f"{found:,} columns")


def mismatch(dataset: Dataset, name: str, found: str) -> Rejected:
    """Return the error of a file whose columns are not those of its contract."""
    return refused(dataset, name, "invalid_schema", "header does not match its contract", found=found)


def unknown(dataset: Dataset, names: Sequence[str]) -> list[int]:
    """Return the places (from 0) of the columns that the contract does not name, for it to rescue."""
    wanted = {column.source_name for column in dataset.read_columns}
    return [place for place, name in enumerate(names) if name not in wanted]


def rescued(dataset: Dataset, names: Sequence[str]) -> str:
    """Return the `_rescued` of a scan whose columns are f0, f1 ...: a JSON object of those that the contract does not name."""
    pairs = ", ".join(f"{literal(names[place])}, f{place}" for place in unknown(dataset, names))
    return (f"cast(json_object({pairs}) as varchar)" if pairs else "cast(null as varchar)") + " as _rescued"


def _missing(name: str, unexpected: Sequence[str]) -> str:
    trimmed = [found for found in unexpected if found.strip().casefold() == name.strip().casefold()]
    near = trimmed or get_close_matches(name, unexpected, 1)
    return f"{name} (is it {near[0]!r}?)" if near else name


def _listed(what: str, names: Sequence[str]) -> str:
    return f"{what} [{_shown(names)}]" if names else ""


def _shown(names: Sequence[str]) -> str:
    return ", ".join([_printable(name) for name in names[:20]] + [f"and {len(names) - 20} more"] * (len(names) > 20))


def _printable(name: str) -> str:
    """Keep a message one line whatever a header holds."""
    return name[:200] if name.isprintable() else repr(name[:200])
