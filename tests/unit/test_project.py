"""What is wrong in declarations is found before any data arrives: all of it at once, where it stands, with a suggestion."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.declarations import json_schema, load, read
from core.errors import InvalidProject, Problem
from core.project import tables_in
from tests.world import ORDERS, World

ROOT = Path(__file__).parents[2]
TRANSFORM = "transform: daily\nsql: daily.sql\ntarget: {path: gold/daily/}\n"


def project(folder: Path, **files: str) -> Path:
    """Write files of the pipeline `shop`; `_yaml` and `_sql` at the end of a name become suffixes."""
    (folder / "shop").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / "shop" / ".".join(name.rsplit("_", 1))).write_text(text)
    return folder


def problems(folder: Path, **files: str) -> tuple[Problem, ...]:
    with pytest.raises(InvalidProject) as caught:
        load(project(folder, **files))
    return caught.value.problems


def one(folder: Path, **files: str) -> Problem:
    (problem,) = problems(folder, **files)
    return problem


def test_every_problem_of_every_file_is_told_at_once_with_its_line_and_path(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        a_yaml=ORDERS.replace("type: bigint, required: true", "type: bigintt, required: true").replace("target:", "taget:"),
        b_yaml="dataset: b\nsource:\n  path: ../b/\n  format: csv\ncolumns:\n  - {name: x}\ntarget: {path: processed/b/}\n",
        c_yaml="dataset: c\n  broken: [\n",
        d_yaml="what: is this\n",
        e_yaml=TRANSFORM,
        f_yaml="",
        g_yaml="- dataset\n",
    )
    by_file = {file: [(p.line, p.path) for p in found if p.file == f"shop/{file}.yaml"] for file in "abcdefg"}
    assert by_file["a"] == [(1, "target"), (5, "columns.0.type"), (8, "taget")]
    assert (3, "source.path") in by_file["b"]
    assert [line for line, _ in by_file["c"]] == [2]
    assert by_file["d"] == by_file["f"] == by_file["g"] == [(1, "")]
    assert by_file["e"] == [(2, "sql")]
    assert "did you mean target?" in next(p.message for p in found if p.path == "taget")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("souce: {}", "source"), ("colums: []", "columns"), ("order-by: [id]", "order_by"), ("expects: []", "expect"),
    ],
)  # fmt: skip
def test_a_misspelt_word_is_answered_with_the_right_one(tmp_path: Path, wrong: str, right: str) -> None:
    found = problems(tmp_path, a_yaml=ORDERS + wrong + "\n")
    assert [p.message for p in found if p.path == wrong.split(":", maxsplit=1)[0]] == [
        f"unknown word {wrong.split(':')[0]}; did you mean {right}?"
    ]


def test_a_misspelt_option_of_a_format_is_found_with_its_line(tmp_path: Path) -> None:
    found = one(tmp_path, a_yaml=ORDERS.replace("format: csv", "format: csv, options: {delimeter: ';'}"))
    assert (found.line, found.message) == (3, "unknown word delimeter; did you mean delimiter?")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("key: [idd]", "no column idd; did you mean id?"),
        ("order_by: [place]", "no column place; did you mean placed?"),
        ("expect: [{name: e, unique: [amont]}]", "did you mean amount?"),
        ("expect: [{name: e}]", "exactly one of rows"),
        ("checks: [{name: c, sql: amount >}]", "sql"),
        ("checks: [{name: c, sql: amount > 0; drop table x}]", "sql"),
        ("checks: [{name: c, sql: x in (select id from orderz)}]", "did you mean orders?"),
        ("checks: [{name: c, sql: 'true'}, {name: c, sql: 'true'}]", "twice"),
        ("exports: [{path: exports/, format: csv, partition_by: [id]}]", "partition_by"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(tmp_path: Path, text: str, said: str) -> None:
    found = problems(tmp_path, a_yaml=ORDERS + text + "\n")
    assert said in " ".join(map(str, found))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{path: processed/orders/}", "{path: processed/orders/, mode: merge}", "needs a key"),
        ("{path: processed/orders/}", "{path: processed/orders/, partition_by: [day]}", "no column day"),
        ("{path: processed/orders/}", "{path: processed/orders/, partition_by: [id, amount, placed]}", "at least one column"),
        ("{path: processed/orders/}", "{path: /processed/orders/}", "inside the lake"),
        ("{path: processed/orders/}", "{path: s3://other/orders/}", "inside the lake"),
        ("{path: processed/orders/}", "{path: processed/../../orders/}", "inside the lake"),
        ("name: id,", "name: _id,", "names that begin with _"),
        ("name: id,", "name: AMOUNT,", "twice"),
        ("name: id, type: bigint", "name: id, type: hugeint", "unknown type hugeint"),
        ("name: id, type: bigint", "name: id, type: bigint, format: '%Y'", "date and timestamp"),
        ("name: id, type: bigint", "name: id, type: bigint, sql: '1', from: x", "neither"),
        ("name: id, type: bigint", "name: id, type: bigint, sql: (select max(id) from orders)", "its own row only"),
        ("dataset: orders", "dataset: 1orders", "dataset"),
        ("dataset: orders", "dataset: 'or/ders'", "dataset"),
        ("dataset: orders", "dataset: ''", "dataset"),
        ("format: csv", "format: csv, trigger: cron(61 * * * *)", "cron(61 * * * *)"),
        ("format: csv", "format: csv, trigger: cron(0 0 30 2 *)", "cron(0 0 30 2 *)"),
        ("format: csv", "format: csv, trigger: weekly", "hourly"),
        ("format: csv", "format: csv, trigger: all_inputs", "trigger"),
        ("format: csv", "format: csv, options: {encoding: klingon}", "encoding"),
        ("format: csv", "format: csv, options: {quote: ',', delimiter: ','}", "quote"),
        ("format: csv", "format: cvs", "csv"),
    ],
)
def test_what_cannot_work_is_refused_before_any_data(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in ORDERS
    assert said in " ".join(map(str, problems(tmp_path, a_yaml=ORDERS.replace(old, new))))


def test_a_word_that_stands_twice_is_told_and_not_half_ignored(tmp_path: Path) -> None:
    found = one(tmp_path, a_yaml=ORDERS + "key: [id]\nkey: [placed]\n")
    assert (found.line, found.path) == (10, "key")


def test_a_broken_file_does_not_make_its_readers_look_broken(tmp_path: Path) -> None:
    found = problems(tmp_path, a_yaml=ORDERS + "taget: 1\n", daily_yaml=TRANSFORM, daily_sql="select id from orders")
    assert [(p.file, p.path) for p in found] == [("shop/a.yaml", "taget")]


def test_a_name_and_a_table_s_path_belong_to_one_declaration(tmp_path: Path) -> None:
    found = problems(tmp_path, a_yaml=ORDERS, b_yaml=ORDERS.replace("raw/orders/", "raw/b/"))
    assert {p.message for p in found} == {
        "the name orders is taken by shop/a.yaml",
        "the target path processed/orders/ is taken by shop/a.yaml",
    }


def test_a_name_that_differs_in_case_only_is_taken_since_sql_cannot_tell(tmp_path: Path) -> None:
    other = ORDERS.replace("dataset: orders", "dataset: Orders").replace("raw/orders", "raw/b").replace("processed/orders", "processed/b")
    assert "taken" in one(tmp_path, a_yaml=ORDERS, b_yaml=other).message


@pytest.mark.parametrize("path", ["raw/", "raw/orders/eu/", "raw/orders/*.csv", "raw/orders/2025-*/a.csv"])
def test_two_sources_cannot_claim_one_object(tmp_path: Path, path: str) -> None:
    other = ORDERS.replace("dataset: orders", "dataset: b").replace("raw/orders/", f'"{path}"').replace("processed/orders/", "processed/b/")
    found = problems(tmp_path, a_yaml=ORDERS, b_yaml=other)
    assert [p.path for p in found] == ["source.path"]
    assert "overlaps" in found[0].message


@pytest.mark.parametrize("path", ["processed/", "processed/orders/eu/", "quarantine/b/"])
def test_a_table_does_not_lie_inside_another(tmp_path: Path, path: str) -> None:
    other = ORDERS.replace("dataset: orders", "dataset: b").replace("raw/orders/", "raw/b/").replace("processed/orders/", path)
    assert {p.path for p in problems(tmp_path, a_yaml=ORDERS, b_yaml=other)} == {"target.path"}


def test_an_export_does_not_lie_inside_a_table(tmp_path: Path) -> None:
    found = one(tmp_path, a_yaml=ORDERS + "exports: [{path: processed/orders/csv/, format: csv}]\n")
    assert found.path == "exports.0.path"


def test_a_key_belongs_to_the_dataset_whose_pattern_it_matches(world: World) -> None:
    for name, pattern in (("a", "raw/x/a*.csv"), ("b", "raw/x/b?.csv")):
        world.declare(ORDERS.replace("raw/orders/", f'"{pattern}"').replace("orders", name))
    match = world.lake.project.match
    assert match("raw/x/a1.csv") == world.lake.project.datasets["a"]
    assert match("raw/x/b1.csv") == world.lake.project.datasets["b"]
    assert match("raw/x/b12.csv") is None
    assert match("raw/y/a1.csv") is None


def test_a_cycle_of_transforms_is_spelt_out(tmp_path: Path) -> None:
    other = TRANSFORM.replace("daily", "weekly")
    sql = {"daily_sql": "select * from weekly", "weekly_sql": "select * from daily"}
    found = one(tmp_path, daily_yaml=TRANSFORM, weekly_yaml=other, **sql)
    assert "a cycle: " in found.message
    assert "daily reads weekly" in found.message


def test_a_transform_over_quarantined_rows_is_ordered_after_its_dataset(tmp_path: Path) -> None:
    found = load(project(tmp_path, a_yaml=ORDERS, daily_yaml=TRANSFORM, daily_sql="select count(*) as n from quarantine.orders"))
    assert [d.name for d in found.order] == ["orders", "daily"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from ordres", "did you mean orders?"),
        ("select * from quarantine.ordres", "neither a dataset nor a transform"),
        ("delete from orders", "one SELECT"),
        ("select 1; select 2", "one SELECT"),
        ("", "one SELECT"),
        ("select from where", "daily.sql"),
    ],
)
def test_a_transform_s_sql_is_one_select_over_what_is_declared(tmp_path: Path, query: str, said: str) -> None:
    assert said in str(one(tmp_path, a_yaml=ORDERS, daily_yaml=TRANSFORM, daily_sql=query))


@pytest.mark.parametrize("sql", ["../../secret.sql", "/etc/passwd"])
def test_a_transform_s_file_lies_beside_it(tmp_path: Path, sql: str) -> None:
    (tmp_path / "secret.sql").write_text("select 1")
    found = one(tmp_path / "p", a_yaml=ORDERS, daily_yaml=TRANSFORM.replace("daily.sql", sql))
    assert found.path == "sql"


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ("with recent as (select * from orders) select * from recent join users using (id)", ("orders", "users")),
        ("with recursive r as (select 1 as n union all select n + 1 from r where n < 5) select * from r", ()),
        ("select 'from secrets', \"from\" from orders -- from comments\n/* from more */", ("orders",)),
        ("select (select max(id) from b) from a where exists (from c) and id in (select id from d)", ("a", "b", "c", "d")),
        ('from orders union all by name from "lake-orders"', ("orders", "lake-orders")),
        ("select * from quarantine.orders", ("quarantine.orders",)),
        ("select * from range(3) r, unnest([1]) u", ()),
        ("from (from orders) pivot (sum(x) for y in (1))", ("orders",)),
        ("select o.* from orders o, lateral (select * from items i where i.id = o.id)", ("orders", "items")),
    ],
)
def test_inputs_are_read_off_the_sql(query: str, tables: tuple[str, ...]) -> None:
    assert sorted(tables_in(query)) == sorted(tables)


# --- the schema for editors ----------------------------------------------------------------------------------------------------------


def _errors(data: Any) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema")
    return [error.message for error in jsonschema.Draft202012Validator(json_schema()).iter_errors(data)]


@pytest.mark.parametrize("path", sorted(ROOT.glob("pipelines/*/*.yaml")), ids=lambda path: path.stem)
def test_the_schema_accepts_every_pipeline_of_ours(path: Path) -> None:
    assert _errors(yaml.safe_load(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "text",
    [
        ORDERS + "taget: 1\n", ORDERS.replace("type: bigint", "typ: bigint"), ORDERS.replace("format: csv", "format: cvs"),
        ORDERS + "pipeline: shop\n", TRANSFORM + "query: select 1\n", "dataset: x\n", ORDERS.replace("format: csv",
        "format: csv, unknown_columns: drop"),
    ],
)  # fmt: skip
def test_the_schema_refuses_what_is_misspelt_or_ours(text: str) -> None:
    assert _errors(yaml.safe_load(text))


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(json_schema()))["title"]


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("raw/x/*.csv", "raw/x/*.json", False),
        ("raw/x/orders-*.csv", "raw/x/returns-*.csv", False),
        ("raw/*/orders.csv", "raw/*/returns.csv", False),
        ("raw/x/", "raw/y/", False),
        ("raw/x/*.csv", "raw/x/a*.csv", True),
        ("raw/x/", "raw/x/*.csv", True),
        ("raw/*/a.csv", "raw/x/*.csv", True),
        ("raw/x/a[0-9].csv", "raw/x/*[0-9].csv", True),
    ],
)
def test_two_sources_that_could_claim_one_object_are_refused_before_any_arrives(world: World, one: str, other: str, overlap: bool) -> None:
    world.declare(ORDERS.replace("path: raw/orders/", f'path: "{one}"'))
    world.declare(ORDERS.replace("orders", "returns").replace("path: raw/returns/", f'path: "{other}"'))
    found = [problem.path for problem in read(world.home / "project").problems]
    assert found == (["source.path"] if overlap else [])
