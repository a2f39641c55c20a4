"""The lake as tables in a terminal: its status, the answer to a query, samples, the project."""

def show_status(to: Console, tables: Sequence[TableStatus], now: datetime) -> None:
    """Show a line a table, by pipeline."""
    table = table("table", "version", "rows", "size", "last commit", "newest object", "quarantined", "rejected", "state")
    table.columns[-1].justify, table.columns[-1].no_wrap = "left", False
    for pipeline in sorted({found.pipeline for found in tables}):
        table.add_row(Text(pipeline, style="bold"))
        for found in (found for found in tables if found.pipeline == pipeline):
            set_aside = [count(found.quarantined, "yellow"), count(found.rejected, "yellow")] if found.kind == "dataset" else ["", ""]
            table.add_row(
                f"  {found.name}",
                "-" if found.version is None else str(found.version),
                count(found.rows),
                size(found.bytes),
                ago(found.committed, now) if found.committed else "never",
                ago(found.newest, now) if found.newest else "",
                *set_aside,
                Text(found.state, style="green" if found.due else ""),
            )
    to.print(table)


def showtable(to: Console, found: TableStatus, now: datetime, place: Place) -> None:
    """Show one table at length."""
    facts = {
        "table": f"{found.name} ({found.kind} of pipeline {found.pipeline})",
        "lies in": place.path(found.path),
        "version": "none yet" if found.version is None else str(found.version),
        "rows": f"{found.rows:,}",
        "size": size(found.bytes),
        "last commit": f"{found.committed:%Y-%m-%d %H:%M:%S} UTC, {ago(found.committed, now)}" if found.committed else "never",
        "newest object": f"{found.newest:%Y-%m-%d %H:%M:%S} UTC, {ago(found.newest, now)}" if found.newest else "",
        "quarantined": f"{plural(found.quarantined, 'row')}" if found.kind == "dataset" else "",
        "rejected": f"{plural(found.rejected, 'file')}" if found.kind == "dataset" else "",
        "state": found.state,
    }
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, fact in facts.items():
        if fact:
            grid.add_row(Text(name, style="bold"), fact)
    to.print(grid)


def show_answer(to: Console, answer: Answer) -> None:
    """Show rows as a table, or one below the other where the table would not fit."""
    cells = [[_cell(value) for value in row] for row in answer.rows]
    widths = [max([len(name), *(len(row[n]) for row in cells)]) for n, name in enumerate(answer.columns)]
    if sum(widths) + 2 * len(widths) > 2 * to.width and len(cells) <= 2 * MANY:
        _show_records(to, answer, cells)
    else:
        table = table(*(_printable(name) for name in answer.columns), left=len(answer.columns))
        for column, kind in zip(table.columns, answer.types, strict=True):
            column.justify = "right" if kind in NUMBERS or kind.startswith("DECIMAL") else "left"
            column.overflow = "ellipsis"
        for row in cells:
            table.add_row(*row)
        to.print(table)
    to.print(f"({plural(len(answer.rows), 'row')})", style="dim")


def _show_records(to: Console, answer: Answer, cells: Sequence[Sequence[Text]]) -> None:
    for row in cells:
        grid = Table.grid(padding=(0, 2, 0, 0))
        for name, cell in zip(answer.columns, row, strict=True):
            grid.add_row(Text(_printable(name), style="bold"), cell)
        to.print(grid)
        to.print()


def _cell(value: Any) -> Text:
    if value is None:
        return Text("null", style="dim")
    if isinstance(value, Decimal):
        return Text(f"{value:f}")
    if isinstance(value, datetime):
        return Text(value.isoformat(sep=" ").replace("+00:00", "Z"))
    text = value if isinstance(value, str) else str(json_value(value))
    text = _printable(text[: WIDEST + 1])
    return Text(text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…")


def _printable(text: str) -> str:
    """Escape what would move the cursor or colour the screen: a value is data, also in a terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def show_samples(to: Console, made: Sequence[Sample], place: Place) -> None:
    table = table("object", "rows", "size")
    for found in made:
        table.add_row(found.key, f"{found.rows:,}" if found.rows else "as it is", size(found.bytes))
    to.print(table)
    to.print(f"{plural(len(made), 'object')} in {place.root}. Load them: {place.command('run')}")


def show_project(to: Console, project: Project) -> None:
    pipelines = {declaration.pipeline for declaration in project.order}
    counts = f"{plural(len(project.datasets), 'dataset')}, {plural(len(project.transforms), 'transform')} in {plural(len(pipelines), 'pipeline')}"
    to.print(f"{counts}: all good", style="green")
    to.print(f"They run in this order: {', '.join(declaration.name for declaration in project.order)}")
