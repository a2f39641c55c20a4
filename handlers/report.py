"""What a run did, as a person reads it at the end of the day: what came in, what was refused and why, where it is, what to type next."""

def show_summary(to: Console, summary: Summary, place: Place) -> None:
    if summary.idle:
        to.print(f"Nothing to do: {place.root} is up to date. `{place.command('status')}` shows how every table stands.")
        return
    _show_loads(
        to, [load for load in summary.loads if set(load.objects) - {"already loaded"} or summary.undone or len(summary.loads) < MANY]
    )
    _show_transforms(to, summary)
    _show_warnings(to, summary)
    _show_quarantine(to, summary.loads, place)
    _show_rejected(to, summary.rejected, place)
    _show_unknown(to, summary.unknown, place)
    _show_undone(to, summary.undone)
    _show_total(to, summary, place)


def _show_loads(to: Console, loads: Sequence[Load]) -> None:
    if not loads:
        return
    kinds = [kind for kind in ("rejected", "already loaded", "gone", "refused") if any(load.objects.get(kind) for load in loads)]
    fates = ["inserted"]
    fates += [fate for fate in ("updated", "superseded", "duplicate") if any(load.rows.get(fate) for load in loads)]
    table = table("dataset", "loaded", *kinds, "rows read", *(fates if len(fates) > 1 else []), "accepted", "quarantined", "time")
    for load in loads:
        objects = [count(load.objects.get("loaded", 0)), *(count(load.objects.get(kind, 0), "yellow") for kind in kinds)]
        rows = [count(load.rows.get(fate, 0)) for fate in ("read", *(fates if len(fates) > 1 else []), "accepted")]
        table.add_row(load.dataset, *objects, *rows, count(load.rows.get("quarantined", 0), "yellow"), duration(load.seconds))
    heading(to, "Loaded")
    to.print(table)


def _show_transforms(to: Console, summary: Summary) -> None:
    if summary.transforms:
        table = table("transform", "rows", "version", "time")
        for done in summary.transforms:
            table.add_row(done.transform, f"{done.rows:,}", str(done.version), duration(done.seconds))
        heading(to, "Transformed")
        to.print(table)
    if summary.exports:
        table = table("export", "files written", "version")
        for export in summary.exports:
            table.add_row(export.path, f"{export.files:,}", str(export.version))
        heading(to, "Exported")
        to.print(table)


def _show_warnings(to: Console, summary: Summary) -> None:
    warned = [
        f"{load.dataset}: {name}: {plural(rows, 'row')}, loaded all the same"
        for load in summary.loads
        for name, rows in load.warnings.items()
    ]
    warned += [f"{found.table}: {found.name}: {found.message}" for found in summary.violations if found.action == "warn"]
    alerts = [f"{found.table}: {found.name}: {found.message}" for found in summary.violations if found.action == "alert"]
    for heading, lines, style in (("Alerts", alerts, "bold red"), ("Warnings", warned, "bold yellow")):
        if lines:
            heading(to, heading, style)
            for line in lines:
                to.print(f"  {line}")


def _show_quarantine(to: Console, loads: Sequence[Load], place: Place) -> None:
    refused = [load for load in loads if load.rows.get("quarantined")]
    if not refused:
        return
    heading(to, "Quarantined rows", "bold yellow")
    for load in refused:
        to.print(f"  {load.dataset}: {plural(load.rows['quarantined'], 'row')}")
        for reason, rows in list(load.reasons.items())[:FEW]:
            to.print(f"    {rows:>9,}  {reason}")
        if len(load.reasons) > FEW:
            to.print(f"               and {plural(len(load.reasons) - FEW, 'more reason')}", style="dim")
    to.print(f"  see them:  {place.command('query', _looking_at(refused[0].dataset))}")


def _looking_at(dataset: str) -> str:
    table = f"quarantine.{dataset}" if "-" not in dataset else f'quarantine.\\"{dataset}\\"'
    return f'"select reasons, position, raw from {table}"'


def _show_rejected(to: Console, rejected: Sequence[SetAside], place: Place) -> None:
    if not rejected:
        return
    heading(to, "Rejected files", "bold yellow")
    for found in rejected[:MANY]:
        to.print(f"  {found.object}")
        to.print(f"    {found.message}")
        to.print(f"    it is in  {place.path(found.at)}", style="dim")
    if len(rejected) > MANY:
        to.print(f"  and {plural(len(rejected) - MANY, 'more file')} in {place.path('rejected/')}")
    to.print("  Beside each file lies a report of the same name, .report.json at its end.")


def _show_unknown(to: Console, unknown: Sequence[str], place: Place) -> None:
    if unknown:
        heading(to, "Unknown objects: no dataset declares them, they stay where they are", "bold yellow")
        for key in unknown[:MANY]:
            to.print(f"  {place.path(key)}")
        if len(unknown) > MANY:
            to.print(f"  and {len(unknown) - MANY:,} more")


def _show_undone(to: Console, undone: Sequence[Left]) -> None:
    if undone:
        heading(to, "Not done: tables are as they were, objects still in raw", "bold red")
        for left in undone:
            to.print(f"  {left.name}")
            to.print(f"    {left.why}")


def _show_total(to: Console, summary: Summary, place: Place) -> None:
    objects = sum(count for load in summary.loads for count in load.objects.values())
    rows = summary.rows
    parts = [f"{plural(objects, 'object')}, {plural(rows.get('read', 0), 'row')} read"] if objects else []
    parts += [f"{plural(len(summary.transforms), 'transform')} run"] if summary.transforms else []
    parts += [f"{summary.quarantined:,} quarantined"] if summary.quarantined else []
    parts += [f"{plural(len(summary.rejected), 'file')} rejected"] if summary.rejected else []
    parts += [f"{len(summary.undone)} not done"] if summary.undone else []
    to.print()
    to.print(f"{', '.join(parts) or 'Done'} in {duration(summary.seconds)}. The lake is {place.root}")
    to.print(f"`{place.command('status')}` shows how every table stands.", style="dim")
