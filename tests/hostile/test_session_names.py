"""Names and values that carry SQL: they are names and values, or no declaration at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidProject
from core.query import query
from tests.faults.oracle import assert_sound
from tests.hostile.figures import FIGURES
from tests.world import ORDERS, World

EVIL = {
    "quotes": 'it\'s "q"',
    "statement": "x'; drop table orders; --",
    "statement in a name": 'x"; drop schema main cascade; --',
    "parentheses": "x) or (true",
    "comment": "x /* ",
    "line comment": "x --",
    "newline": "x\ny",
    "dollars": "$$ x $y$",
    "backslash": "x\\",
    "braces": "{x} {{y}} %s %(z)s ${HOME}",
    "parameter": "x ? $1 :name",
    "unicode": "\u202ex\u2019\uff07",
    "hive": "a=b/c=d",
    "dots": "../x",
}


def declared(**changes: Any) -> str:
    """A declaration in JSON, which YAML includes: no text is bent on its way into it."""
    plain = {
        "dataset": "orders",
        "source": {"path": "raw/orders/", "format": "json"},
        "columns": [{"name": "id", "type": "bigint", "required": True}],
        "target": {"path": "processed/orders/"},
    }
    return json.dumps({**plain, **changes})


@pytest.mark.parametrize("evil", EVIL)
def test_a_column_is_a_name(world: World, evil: str) -> None:
    name = EVIL[evil]
    quoted = '"' + name.replace('"', '""') + '"'
    doubled = {"name": "doubled", "sql": f"{quoted} || {quoted}"}
    checks = [{"name": "good", "sql": f"{quoted} <> 'bad'"}]
    world.declare(
        declared(columns=[{"name": "id", "type": "bigint"}, {"name": name}, doubled], key=["id", name], order_by=[name], checks=checks)
    )
    world.put("raw/orders/a.json", json.dumps([{"id": 1, name: "v"}, {"id": 2, name: "bad"}]))
    world.run()
    assert world.rows("select * exclude (_source, _source_time, _row) from orders") == [{"id": 1, name: "v", "doubled": "vv"}]
    assert world.values("select reasons from quarantine.orders") == [["check good"]]
    assert query(world.lake, f"select {quoted} from orders").rows == (("v",),)
    assert_sound(world, "orders")
    FIGURES.count("names", "columns")


@pytest.mark.parametrize("evil", EVIL)
def test_a_partition_and_its_value_are_a_name_and_a_value(world: World, evil: str) -> None:
    text = EVIL[evil]
    exports = [{"path": "exports/orders/", "format": "csv", "partition_by": ["part"]}]
    columns = [{"name": "id", "type": "bigint"}, {"name": "part"}]
    world.declare(declared(columns=columns, target={"path": "processed/orders/", "partition_by": ["part"]}, exports=exports))
    world.put("raw/orders/a.json", json.dumps([{"id": 1, "part": text}, {"id": 2, "part": "plain"}]))
    world.run()
    assert world.rows("select id, part from orders order by id") == [{"id": 1, "part": text}, {"id": 2, "part": "plain"}]
    assert len({key for key in world.keys("exports/") if key.endswith(".csv")}) == 2
    assert {path.name for path in world.home.iterdir()} == {"lake", "project"}
    assert {path.name for path in Path(world.uri).iterdir()} == {"archived", "exports", "processed", "raw"}
    FIGURES.count("names", "partition values")


@pytest.mark.parametrize("evil", EVIL)
def test_what_a_declaration_says_beside_its_names_is_text(world: World, evil: str) -> None:
    text = EVIL[evil]
    columns = [{"name": "id", "type": "bigint", "description": text}, {"name": "of", "from": f"a.{text}" if "." not in text else text}]
    world.declare(
        declared(description=text, columns=columns, source={"path": "raw/orders/", "format": "json", "unknown_columns": "ignore"})
    )
    world.put("raw/orders/a.json", json.dumps([{"id": 1, "a": {text: "v"}, text: "w"}]))
    world.run()
    assert world.values("select id from orders") == [1]
    world.declare(ORDERS.replace("orders", "returns").replace("format: csv", f'format: csv, options: {{"null": {json.dumps(text)}}}'))
    world.put("raw/returns/a.csv", "id,amount,placed\n1,1,2026-11-20\n")
    world.run()
    assert world.values("select id from returns") == [1]
    FIGURES.count("names", "descriptions, paths")


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("what", ["dataset", "check", "expect", "transform", "sql file"])
def test_a_name_that_is_more_than_a_name_is_refused(world: World, what: str, evil: str) -> None:
    name = EVIL[evil]
    folder = world.home / "project" / "shop"
    folder.mkdir(parents=True)
    transform = {"transform": "t", "sql": "t.sql", "target": {"path": "gold/t/"}}
    text = {
        "dataset": declared(dataset=name),
        "check": declared(checks=[{"name": name, "sql": "true"}]),
        "expect": declared(expect=[{"name": name, "rows": [1, None]}]),
        "transform": json.dumps({**transform, "transform": name}),
        "sql file": json.dumps({**transform, "sql": f"{name}.sql"}),
    }[what]
    (folder / "t.sql").write_text("select 1 as n")
    (folder / "it.yaml").write_text(text)
    with pytest.raises(InvalidProject):
        _ = world.lake
    FIGURES.count("names", "names of declarations")


@pytest.mark.parametrize("text", ["a\nb", "a\n\nb", "a\u2028b", "a\x0bb", "a\x85b", "a\rb", "it's\nb"])
@pytest.mark.parametrize("quotes", ["''", "$$"])
def test_a_text_in_an_expression_stays_as_it_is_over_the_end_of_a_line(world: World, quotes: str, text: str) -> None:
    literal = f"$${text}$$" if quotes == "$$" else "'" + text.replace("'", "''") + "'"
    column = {"name": "same", "type": "boolean", "sql": f"name = {literal} -- it's"}
    check = {"name": "known", "sql": f"name in ({literal})  /* it's */"}
    world.declare(declared(columns=[{"name": "name"}, column], checks=[check]))
    world.put("raw/orders/a.json", json.dumps([{"name": text}]))
    world.run()
    assert world.rows("select name, same from orders") == [{"name": text, "same": True}]
    FIGURES.count("names", "texts in expressions")
