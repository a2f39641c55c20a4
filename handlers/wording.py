"""What is said of the steps of a run, in words: in a terminal, a log, a message. Pure, and without a terminal's library."""

from core.loading import Ingested, Withdrawn
from core.run import Begun, Published, Step, Undone, Unknown, Violated
from core.transform import Transformed


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'s'[: count != 1]}"


def duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def extent(step: Transformed) -> list[str]:
    """Say how much of its table an incremental transform made anew; nothing of another."""
    if step.full:
        return [f"in full: {step.full}"]
    counts = {"partition": step.partitions, "key": step.keys}
    return [plural(count, word) for word, count in counts.items() if count is not None]


def sentence(step: Step) -> str:
    """Say one step in one line."""
    match step:
        case Begun():
            return f"{step.name}: {step.what}"
        case Ingested():
            rows, loaded = step.balance, plural(step.count("loaded"), "object")
            aside = [f"{step.count('already loaded')} loaded before"] if step.count("already loaded") else []
            aside += [f"{step.count(fate)} {fate}" for fate in ("undone", "rejected", "refused", "gone") if step.count(fate)]
            aside += [f"{rows['quarantined']:,} rows quarantined"] if rows["quarantined"] else []
            return ", ".join([f"{step.dataset}: {loaded} and {plural(rows['accepted'], 'row')} loaded", *aside, duration(step.seconds)])
        case Withdrawn():
            aside = [f"{plural(step.refused, 'quarantined row')} dropped"] if step.refused else []
            aside += [f"{plural(step.restored, 'row')} back"] if step.restored else []
            return ", ".join([f"{step.dataset}: {plural(len(step.objects), 'object')} and {plural(step.rows, 'row')} taken out", *aside])
        case Transformed():
            return ", ".join([f"{step.transform}: {plural(step.rows, 'row')}", *extent(step), duration(step.seconds)])
        case Published():
            done = [f"exported to {export.path}" for export in step.exported] + [f"{name} registered" for name in step.registered]
            return f"{step.table}: {', '.join(done)}"
        case Violated():
            return f"{step.table}: {'; '.join(found.message for found in step.violations)}"
        case Unknown():
            return f"{step.key}: {step.why}; it stays where it is"
        case Undone():
            return f"{step.name}: {'left for another time' if step.late else 'not done'}: {step.error}"
