"""What a run did, as one reads it at the end of the day: what came in, what was refused and why, where it is, what to type next."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console

from handlers.cli.render import Place, count, heading, plain_table
from handlers.cli.summary import Load, SetAside, Summary
from handlers.wording import duration, extent, plural

FEW = 3
MANY = 10


def show_summary(to: Console, summary: Summary, place: Place) -> None:
    if summary.idle:
        to.print(f"Nothing to do: {place.lake} is up to date. `{place.command('status')}` shows how every table stands.")
        return
    _show_withdrawn(to, summary)
    _show_loads(to, [load for load in summary.loads if load.did_something])
    _show_transforms(to, summary)
    _show_warnings(to, summary)
    _show_quarantine(to, [load for load in summary.loads if load.rows.get("quarantined")], place)
    _show_rejected(to, summary.rejected, place)
    _show_unknown(to, summary.unknown, place)
    _show_left_out(to, summary)
    _show_undone(to, summary)
    _show_total(to, summary, place)


def _show_loads(to: Console, loads: Sequence[Load]) -> None:
    if not loads:
        return
    kinds = [kind for kind in ("already loaded", "undone", "gone", "refused", "rejected") if any(load.objects.get(kind) for load in loads)]
    fates = [fate for fate in ("updated", "superseded", "duplicate") if any(load.rows.get(fate) for load in loads)]
    fates = ["inserted", *fates] if fates else []  # where all was inserted, `accepted` has said it
    table = plain_table("dataset", "loaded", *kinds, "rows read", "accepted", *fates, "quarantined", "time")
    for load in loads:
        objects = [count(load.objects.get("loaded", 0)), *(count(load.objects.get(kind, 0), "yellow") for kind in kinds)]
        rows = [count(load.rows.get(name, 0)) for name in ("read", "accepted", *fates)]
        table.add_row(load.dataset, *objects, *rows, count(load.rows.get("quarantined", 0), "yellow"), duration(load.seconds))
    heading(to, "Loaded")
    to.print(table)


def _show_withdrawn(to: Console, summary: Summary) -> None:
    if summary.withdrawn:
        table = plain_table("dataset", "objects", "rows", "quarantined rows", "rows back", "version")
        for done in summary.withdrawn:
            version = "" if done.version is None else str(done.version)
            table.add_row(done.dataset, *(count(n) for n in (len(done.objects), done.rows, done.refused, done.restored)), version)
        heading(to, "Taken out")
        to.print(table)
    for key in sorted({key for done in summary.withdrawn for key in done.unreadable}):
        to.print(f"{key} is refused by its contract now; rows of it that should have come back did not", style="yellow", soft_wrap=True)


def _show_transforms(to: Console, summary: Summary) -> None:
    if summary.transforms:
        parts = ["of"] if any(map(extent, summary.transforms)) else []
        table = plain_table("transform", "rows", *parts, "version", "time")
        for done in summary.transforms:
            told = ["all" if done.full else ", ".join(extent(done))] if parts else []
            table.add_row(done.transform, f"{done.rows:,}", *told, str(done.version), duration(done.seconds))
        heading(to, "Transformed")
        to.print(table)
    if summary.exports:
        table = plain_table("export", "files", "of version")
        for export in summary.exports:
            table.add_row(export.path, f"{export.files:,}", str(export.version))
        heading(to, "Exported")
        to.print(table)


def _show_warnings(to: Console, summary: Summary) -> None:
    alerts = [(found.table, found.name, found.message) for found in summary.violations if found.action == "alert"]
    warned = [(load.dataset, name, plural(rows, "row")) for load in summary.loads for name, rows in load.warnings.items()]
    warned += [(found.table, found.name, found.message) for found in summary.violations if found.action == "warn"]
    for title, lines, style in (("Alerts", alerts, "bold red"), ("Warnings, loaded all the same", warned, "bold yellow")):
        if lines:
            heading(to, title, style)
            table = plain_table("", "", "", left=3, show_header=False)
            table.columns[-1].no_wrap = False
            for line in lines:
                table.add_row(*line)
            to.print(table)


def _show_quarantine(to: Console, loads: Sequence[Load], place: Place) -> None:
    if not loads:
        return
    heading(to, "Quarantined rows", "bold yellow")
    table = plain_table("", "", "", show_header=False)
    table.columns[-1].justify, table.columns[-1].no_wrap = "left", False
    for load in loads:
        table.add_row(load.dataset, f"{load.rows['quarantined']:,}", _reasons(load))
    to.print(table)
    to.print(f"To see them: {place.command('query', _looking_at(loads[0].dataset))}", soft_wrap=True)
    to.print(f"To load them, once the contract is mended: {place.command('replay', loads[0].dataset)}", soft_wrap=True)


def _reasons(load: Load) -> str:
    told = [f"{reason} ({rows:,})" if rows > 1 else reason for reason, rows in list(load.reasons.items())[:FEW]]
    more = [f"and {plural(len(load.reasons) - FEW, 'more reason')}"] if len(load.reasons) > FEW else []
    return "; ".join([*told, *more])


def _looking_at(dataset: str) -> str:
    table = f"quarantine.{dataset}" if "-" not in dataset else f'quarantine.\\"{dataset}\\"'
    return f'"select reasons, position, raw from {table}"'


def _show_rejected(to: Console, rejected: Sequence[SetAside], place: Place) -> None:
    if not rejected:
        return
    heading(to, "Rejected files", "bold yellow")
    for found in rejected[:MANY]:
        to.print(f"{found.object}\n  {found.why}", soft_wrap=True)
        to.print(f"  now in {place.raw_path(found.at)}", style="dim", soft_wrap=True)
    if len(rejected) > MANY:
        to.print(f"and {plural(len(rejected) - MANY, 'more file')}: {', '.join(_by_reason(rejected[MANY:]))}")
    again = place.command("replay")
    to.print(f"Beside each lies its report (.report.json). Mend a file and put it into raw again, or mend its contract: then `{again}`.")


def _by_reason(rejected: Sequence[SetAside]) -> Iterator[str]:
    for reason, files in groupby(sorted(found.reason for found in rejected)):
        yield f"{len(list(files)):,} {reason}"


def _show_unknown(to: Console, unknown: Sequence[str], place: Place) -> None:
    if unknown:
        heading(to, "Unknown objects: no dataset declares them, they stay where they are", "bold yellow")
        for key in unknown[:MANY]:
            to.print(place.raw_path(key), soft_wrap=True)
        if len(unknown) > MANY:
            to.print(f"and {len(unknown) - MANY:,} more")


def _show_left_out(to: Console, summary: Summary) -> None:
    if summary.left_out:
        heading(to, "Left out", "bold yellow")
        for left in summary.left_out[:MANY]:
            to.print(left.why, soft_wrap=True)
        if len(summary.left_out) > MANY:
            to.print(f"and {len(summary.left_out) - MANY:,} more")


def _show_undone(to: Console, summary: Summary) -> None:
    if summary.undone:
        heading(to, "Not done; what it concerns is as it was", "bold red")
        for left in summary.undone:
            to.print(f"{left.name}\n  {left.why}", soft_wrap=True)


def _show_total(to: Console, summary: Summary, place: Place) -> None:
    objects = sum(sum(load.objects.values()) for load in summary.loads)
    rows = summary.rows
    parts = [f"{plural(objects, 'object')}, {plural(rows.get('read', 0), 'row')} read"] if objects else []
    parts += [f"{rows.get('accepted', 0):,} accepted"] if rows.get("read") else []
    parts += [f"{summary.quarantined:,} quarantined"] if summary.quarantined else []
    parts += [f"{plural(len(summary.rejected), 'file')} rejected"] if summary.rejected else []
    parts += [f"{plural(len(summary.transforms), 'transform')} run"] if summary.transforms else []
    parts += [f"{plural(sum(len(done.objects) for done in summary.withdrawn), 'object')} taken out"] if summary.withdrawn else []
    parts += [f"{len(summary.undone)} not done"] if summary.undone else []
    to.print()
    to.print(f"{', '.join(parts) or 'Done'} in {duration(summary.seconds)}. The lake is {place.lake}", style="bold", soft_wrap=True)
    if summary.due:
        to.print(f"Due now: {', '.join(summary.due)}. `{place.command('run')}` runs them.", soft_wrap=True)
    to.print(f"`{place.command('status')}` shows how every table stands.", style="dim", soft_wrap=True)
