"""Whatever a format, a type or an engine does to values: each is stored exactly, or its row is in the quarantine with a reason."""

import csv
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from core.delta import Snapshot
from core.maintenance import maintain
from tests.faults import files
from tests.faults.figures import FIGURES, LONG
from tests.faults.oracle import assert_sound, rows_of
from tests.faults.values import BAD, CELLS, COLUMNS, LONG_TEXT, NO_JSON, NUMBERS, SINCE_1904, TEXTS, TOKENS, UNREADABLE
from tests.world import World

long = pytest.mark.skipif(not LONG, reason="part of `make faults`")

Table = Mapping[str, Any]
"""How a value is written -> what becomes of it."""


def declare(world: World, name: str, form: str, kind: str, *, options: Mapping[str, Any] | None = None, **more: Any) -> World:
    declared: dict[str, Any] = {
        "dataset": name,
        "source": {"path": f"raw/{name}/", "format": form, "options": options or {}},
        "columns": [{"name": "id", "type": "bigint"}, {"name": "v", "type": kind}],
        "target": {"path": f"processed/{name}/"},
    }
    return world.declare(json.dumps({**declared, **more}))


def outcomes(world: World, name: str) -> dict[int, str]:
    """Return what became of each row, by its id, with its type: 1 is not 1.0, and 0.0 not -0.0."""
    stored, refused = world.lake.named_table(name), world.lake.named_table(f"quarantine.{name}")
    found = [(row["id"], said(row["v"])) for row in rows_of(stored)] if stored else []
    for row in rows_of(refused) if refused else ():
        assert row["reasons"], f"{name}: {row} is refused without a reason"
        found.append((row["_row"] - 1, BAD))
    assert len(found) == len(dict(found)), f"{name}: a row has more than one fate"
    return dict(found)


def held(world: World, name: str) -> Snapshot:
    snapshot = world.lake.named_table(name)
    assert snapshot is not None, f"{name} has no table"
    return snapshot


def said(value: Any) -> str:
    return value if value is BAD else f"{type(value).__name__} {moment(value)!r}"


def moment(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "tzinfo") else value


def expect(world: World, wanted: Mapping[str, Table]) -> None:
    """Run, and hold every row of every dataset against what should become of it; all that differ are told at once."""
    world.run()
    wrong = {}
    for name, table in wanted.items():
        found = outcomes(world, name)
        for n, (written, value) in enumerate(table.items()):
            if found.get(n, "lost") != said(value):
                wrong[f"{name}: {written[:80]!r}"] = f"expected {said(value)[:80]}, found {found.get(n, 'lost')[:80]}"
        assert len(found) == len(table), f"{name}: {len(found)} rows of {len(table)}"
    assert not wrong, "\n".join(f"{where}: {what}" for where, what in wrong.items())
    assert_sound(world, *wanted)


def emptied(table: Table) -> dict[str, Any]:
    """The same where '' is the declared text of NULL."""
    return {**table, "": None}


def tables(*sources: Mapping[str, Table]) -> dict[str, dict[str, Any]]:
    """Join tables, type by type."""
    return {
        kind: {key: value for source in sources for key, value in source.get(kind, {}).items()} for source in sources for kind in source
    }


WRITTEN = tables(NUMBERS, TEXTS)
"""What every format can say as a text."""

NESTED = [kind for kind in WRITTEN if kind == "json" or "[" in kind or "(" in kind.removeprefix("decimal(")]
TOLD = tables(
    {kind: {text: value for text, value in WRITTEN[kind].items() if files.is_json(text)} for kind in NESTED},
    NUMBERS,
    {kind: {files.string(text): value for text, value in table.items()} for kind, table in WRITTEN.items() if kind not in NESTED},
    TOKENS,
)
"""The same in JSON: numbers as numbers and as texts, what is nested as it is, all else as texts, and tokens of its own."""


def named(kinds: Iterable[str]) -> dict[str, str]:
    return {kind: f"v{n}" for n, kind in enumerate(kinds)}


@pytest.mark.parametrize("dialect", [{}, {"delimiter": ";", "newline": "\r\n"}, {"null": "NULL"}][: 3 if LONG else 1], ids=str)
@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC][: 2 if LONG else 1])
def test_csv(world: World, dialect: dict[str, str], quoting: int) -> None:
    names, null = named(WRITTEN), dialect.get("null", "")
    tabled = {kind: {**table, null: None} for kind, table in WRITTEN.items()}
    if null:
        tabled = {kind: {**table, "": "" if kind == "varchar" else BAD} for kind, table in tabled.items()}
    for kind, table in tabled.items():
        declare(world, names[kind], "csv", kind, options={key: told for key, told in dialect.items() if key != "newline"})
        written = {key: told for key, told in dialect.items() if key != "null"}
        world.put(f"raw/{names[kind]}/a.csv", files.csv_file(table, quoting=quoting, **written))
    expect(world, {names[kind]: table for kind, table in tabled.items()})
    FIGURES.count("values", "csv", sum(map(len, tabled.values())))


@long
def test_csv_without_quotes(world: World) -> None:
    plain = {
        kind: emptied({text: value for text, value in table.items() if not set(text) & set(',"\r\n')}) for kind, table in WRITTEN.items()
    }
    names = named(plain)
    for kind, table in plain.items():
        declare(world, names[kind], "csv", kind).put(f"raw/{names[kind]}/a.csv", files.csv_file(table, quoting=csv.QUOTE_NONE))
    expect(world, {names[kind]: table for kind, table in plain.items()})
    FIGURES.count("values", "csv", sum(map(len, plain.values())))


@pytest.mark.parametrize("form", ["jsonl", pytest.param("json", marks=long)])
def test_json(world: World, form: str) -> None:
    names, write = named(TOLD), {"jsonl": files.jsonl_file, "json": files.json_file}[form]
    for kind, table in TOLD.items():
        declare(world, names[kind], form, kind).put(f"raw/{names[kind]}/a.{form}", write(table))
    expect(world, {names[kind]: table for kind, table in TOLD.items()})
    FIGURES.count("values", form, sum(map(len, TOLD.values())))


@pytest.mark.parametrize("kind", ["double", pytest.param("varchar", marks=long)])
def test_what_is_no_json_costs_a_line_or_the_file(world: World, kind: str) -> None:
    declare(world, "lines", "jsonl", kind).put("raw/lines/a", files.jsonl_file(["1", *NO_JSON, "2"]))
    one, two = ("1", "2") if kind == "varchar" else (1.0, 2.0)
    expect(world, {"lines": {"1": one, **dict.fromkeys(NO_JSON, BAD), "2": two}})
    declare(world, "whole", "json", kind)
    for n, token in enumerate(NO_JSON):
        world.put(f"raw/whole/{n}", files.json_file(["1", token]))
    world.run()
    assert set(world.values("select v from whole")) <= {one}
    assert world.values("select count(*) from whole") == world.values("select count(*) from quarantine.whole")
    assert_sound(world, "whole")
    FIGURES.count("values", "jsonl", len(NO_JSON))
    FIGURES.count("values", "json", len(NO_JSON))


def test_parquet(world: World) -> None:
    """Its own types, and every text in a column of texts."""
    names, wanted = named([*COLUMNS, *WRITTEN]), {}
    for what, (kind, column, values) in COLUMNS.items():
        body = files.parquet_file(column, use_deprecated_int96_timestamps="int96" in what)
        declare(world, names[what], "parquet", kind).put(f"raw/{names[what]}/a", body)
        wanted[names[what]] = {f"{what} {n}": value for n, value in enumerate(values)}
    for kind, table in WRITTEN.items():
        declare(world, names[kind], "parquet", kind).put(f"raw/{names[kind]}/a", files.parquet_file(files.strings(table)))
        wanted[names[kind]] = dict(table)
    expect(world, wanted)
    FIGURES.count("values", "parquet", sum(map(len, wanted.values())))


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_parquet_column_without_an_exact_text_is_set_aside(world: World, what: str) -> None:
    declare(world, "v", "parquet", "varchar").put("raw/v/a", files.parquet_file(UNREADABLE[what]))
    assert "rejected" in world.fates()["raw/v/a"]
    assert_sound(world, "v", objects=[files.parquet_file(UNREADABLE[what])])
    FIGURES.count("values", "parquet")


@pytest.mark.parametrize("since_1904", [False, True])
def test_xlsx(world: World, since_1904: bool) -> None:
    texts = {
        kind: {files.text(text): value for text, value in table.items() if files.is_xml(text)} for kind, table in WRITTEN.items()
    }  # fmt: skip
    tabled = {**SINCE_1904} if since_1904 else tables(texts, CELLS)
    names = named(tabled)
    for kind, table in tabled.items():
        declare(world, names[kind], "xlsx", kind).put(f"raw/{names[kind]}/a", files.xlsx_file(list(table), since_1904=since_1904))
    expect(world, {names[kind]: table for kind, table in tabled.items()})
    FIGURES.count("values", "xlsx", sum(map(len, tabled.values())))


# --- on the way ----------------------------------------------------------------------------------------------------------------------

GOOD = {kind: {token: value for token, value in table.items() if value is not BAD} for kind, table in TOLD.items()}
ODD = [
    *(
        "",
        " ",
        "NULL",
        "a/b",
        "a=b",
        "100%",
        "%2F",
        "a%20b",
        "+",
        "..",
        "é",
        "e\u0301",
        "日本",
        "😀",
        "it's",
        'a"b',
        "a\nb",
        "a\rb",
        "\0",
        "\u2028",
    ),
    *("?#", "[*]", "__HIVE_DEFAULT_PARTITION__", "a\\b", "{uuid}", ":", "x" * 150),
]
NO_PARTITION = ("", "NULL", "__HIVE_DEFAULT_PARTITION__")
"""Texts that read as NULL where they are a folder's name: refused there."""


@pytest.mark.parametrize("kind", GOOD if LONG else ["double", "varchar"])
def test_values_stay_themselves_through_compaction_a_transform_and_an_export(world: World, kind: str) -> None:
    declare(world, "t", "jsonl", kind, exports=[{"path": "exports/t/", "format": "csv"}])
    world.declare("transform: copied\nsql: copied.sql\nwhen: any_input\ntarget: {path: gold/copied/}\n", copied="select id, v from t")
    lines = files.jsonl_file(GOOD[kind]).split(b"\n")[:-1]
    for n in range(6):
        world.put(f"raw/t/{n}", b"\n".join(lines[n::6]) or lines[0].replace(b'"id": 0', b'"id": 999'))
        world.run(names=["t"])
    world.run(ignore_schedules=True)
    wanted = {n: said(value) for n, value in enumerate(GOOD[kind].values())}
    assert {n: found for n, found in outcomes(world, "t").items() if n < 999} == wanted
    assert maintain(world.lake, world.lake.project.named("t")).compacted
    assert {n: found for n, found in outcomes(world, "t").items() if n < 999} == wanted
    assert {row["id"]: said(row["v"]) for row in rows_of(held(world, "copied")) if row["id"] < 999} == wanted
    assert_sound(world, "t")
    assert_read_back(world, kind, wanted)
    FIGURES.count("values", "on the way", 4 * len(wanted))


def assert_read_back(world: World, kind: str, wanted: Mapping[int, str]) -> None:
    """An export is loaded as any CSV is, and gives the same values; '' is told from NULL by its quotes."""
    body = world.lake.store.get("exports/t/t.csv") or b""
    declare(world, "back", "csv", kind).put("raw/back/t.csv", body)
    world.run(names=["back"])
    empty = said("")
    back = {row["id"]: said(row["v"]) for row in rows_of(held(world, "back")) if row["id"] < 999}
    assert back == {n: said(None) if value == empty else value for n, value in wanted.items()}
    assert body.count(b',""\n') >= list(wanted.values()).count(empty)


def test_odd_texts_are_keys_like_others(world: World) -> None:
    """Loaded twice, by two objects: each is one row, of the newer one, and a NULL is no key."""
    declare(world, "t", "jsonl", "varchar", key=["v"], order_by=["id"], target={"path": "processed/t/", "mode": "merge"})
    texts = [text for text in dict.fromkeys([*ODD, *TEXTS["varchar"]]) if text != LONG_TEXT or LONG]
    for since in (0, 1000):
        rows = [json.dumps({"id": since + n, "v": text}, ensure_ascii=False) for n, text in enumerate([*texts, None])]
        world.put(f"raw/t/{since}", "\n".join(rows))
        world.run()
    assert world.rows("select id, v from t order by id") == [{"id": 1000 + n, "v": text} for n, text in enumerate(texts)]
    assert world.values("select reasons from quarantine.t") == [["v: required"]] * 2
    assert_sound(world, "t")
    FIGURES.count("values", "key", len(texts) + 1)


def test_odd_texts_are_partitions_or_refused(anywhere: World) -> None:
    """Through two loads, compaction and a partitioned export."""
    target = {"path": "processed/t/", "partition_by": ["v"]}
    declare(anywhere, "t", "jsonl", "varchar", target=target, exports=[{"path": "exports/t/", "format": "csv", "partition_by": ["v"]}])
    odd = ODD if LONG or not anywhere.uri.startswith("s3://") else ODD[:12]
    for since in range(0, 500, 100):
        rows = [json.dumps({"id": since + n, "v": text}, ensure_ascii=False) for n, text in enumerate([*odd, None])]
        anywhere.put(f"raw/t/{since}", "\n".join(rows))
    anywhere.run()
    anywhere.put("raw/t/500", '{"id": 500, "v": "a/b"}')
    anywhere.run()
    maintain(anywhere.lake, anywhere.lake.project.named("t"))
    wanted = {since + n: text for since in range(0, 500, 100) for n, text in enumerate([*odd, None]) if text not in NO_PARTITION}
    assert {row["id"]: row["v"] for row in anywhere.rows("select id, v from t")} == {**wanted, 500: "a/b"}
    assert anywhere.values("select count(*) from quarantine.t") == [5 * sum(text in NO_PARTITION for text in odd)]
    assert_sound(anywhere, "t")
    exported = [ref for ref in anywhere.lake.store.list("exports/t/") if ref.key.endswith(".csv")]
    assert len(exported) == len(set(wanted.values()))
    FIGURES.count("values", "partition", len(odd) + 1)
