"""What `lakelet check` finds without any data: SQL that does not fit the columns."""

from pathlib import Path

import pytest

from core import declarations
from core.binding import problems
from core.contract import Dataset
from core.errors import Problem, Terminal
from core.quality import empty_rows
from core.session import open_session
from core.sql import conform
from tests.world import ORDERS, World

SALES = """
dataset: sales
source: {path: raw/sales/, format: csv, unknown_columns: rescue}
columns:
  - {name: id, type: bigint, required: true}
  - {name: sold, type: timestamp, format: "%d.%m.%Y %H:%M"}
  - {name: amount, type: "decimal(12,2)"}
  - {name: parts, type: "struct(a bigint, b varchar)[]"}
  - {name: day, type: date, sql: cast(sold as date)}
key: [id]
order_by: [sold]
checks:
  - {name: positive, sql: amount > 0}
  - {name: extra, sql: _rescued is null, action: warn}
  - {name: known, sql: id in (select id from sales)}
expect:
  - {name: fresh, fresh: {day: 2 days}}
target: {path: processed/sales/, mode: merge, partition_by: [day]}
"""
REPORT = """
transform: report
sql: report.sql
target: {path: gold/report/, partition_by: [day]}
"""
QUERY = "select day, sum(amount) as amount from sales group by day"


@pytest.fixture
def shop(world: World) -> World:
    return world.declare(SALES.replace("\n  - {name: known, sql: id in (select id from sales)}", ""))


def found(world: World) -> list[str]:
    """Every problem as `file:line: path: message`."""
    work = world.home / "work"
    work.mkdir(exist_ok=True)
    return [str(problem) for problem in problems(world.home / "project", work)]


def changed(world: World, old: str, new: str) -> list[str]:
    file = world.home / "project" / "shop" / "sales.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return found(world)


def reported(world: World, query: str, declaration: str = REPORT) -> list[str]:
    return found(world.declare(declaration, report=query))


def test_declarations_that_fit_have_no_problems(shop: World) -> None:
    assert reported(shop, QUERY) == []


def test_the_projects_own_pipelines_bind(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "pipelines"
    assert problems(folder, tmp_path) == ()


def test_a_misspelt_column_in_a_check_is_found_with_a_suggestion(shop: World) -> None:
    assert changed(shop, "amount > 0", "amuont > 0") == ["shop/sales.yaml:13: checks.0.sql: no column amuont; did you mean amount?"]


def test_a_misspelt_column_in_a_computed_column_is_found(shop: World) -> None:
    assert changed(shop, "cast(sold as date)", "cast(sodl as date)") == [
        "shop/sales.yaml:9: columns.4.sql: no column sodl; did you mean sold?"
    ]


def test_a_misspelt_function_is_found_with_duckdbs_suggestion(shop: World) -> None:
    (problem,) = changed(shop, "amount > 0", "absolute(amount) > 0")
    assert "absolute does not exist! Did you mean" in problem


def test_a_check_that_is_no_condition_is_found(shop: World) -> None:
    assert changed(shop, "amount > 0", "amount") == [
        "shop/sales.yaml:13: checks.0.sql: a check is true or false, and this is a DECIMAL(12,2)"
    ]


def test_a_check_with_an_aggregate_is_found(shop: World) -> None:
    (problem,) = changed(shop, "amount > 0", "sum(amount) > 0")
    assert "checks.0.sql: column" in problem


def test_a_format_that_is_none_is_found(shop: World) -> None:
    (problem,) = changed(shop, "%d.%m.%Y %H:%M", "%d.%m.%Q")
    assert problem.startswith("shop/sales.yaml:6: columns.1.format: Failed to parse format specifier")


def test_an_age_that_is_none_is_found(shop: World) -> None:
    (problem,) = changed(shop, "2 days", "soon")
    assert "'soon' is not an age such as 2 days" in problem


def test_a_partition_of_a_type_that_cannot_be_one_is_found(shop: World) -> None:
    (problem,) = changed(shop, "partition_by: [day]", "partition_by: [amount]")
    assert "target.partition_by: amount is decimal128(12, 2); a partition is a date" in problem


def test_a_check_over_another_table_binds_to_that_tables_columns(shop: World) -> None:
    shop.declare(
        "dataset: shops\nsource: {path: raw/shops/, format: csv}\ncolumns: [{name: number, type: bigint}]\ntarget: {path: shops/}\n"
    )
    assert changed(shop, "amount > 0", "id in (select number from shops)") == []
    (problem,) = changed(shop, "select number from", "select nubmer from")
    assert problem.startswith("shop/sales.yaml:13: checks.0.sql: no column nubmer; did you mean number?")


def test_every_problem_of_every_file_is_told_at_once(shop: World) -> None:
    shop.declare(REPORT, report="select dya from sales")
    shop.declare("dataset: shops\nsource: {path: raw/shops/, format: cvs}\ncolumns: [{name: number}]\ntarget: {path: shops/}\n")
    said = changed(shop, "amount > 0", "amuont > 0")
    assert list(dict.fromkeys(line.split(":")[0] for line in said)) == ["shop/report.sql", "shop/sales.yaml", "shop/shops.yaml"]


def test_what_reads_a_transform_that_does_not_bind_is_not_blamed(shop: World) -> None:
    shop.declare("transform: later\nsql: later.sql\ntarget: {path: gold/later/}\n", later="select amount from report")
    assert [line.split(":")[0] for line in reported(shop, "select dya from sales")] == ["shop/report.sql"]


def test_a_mistake_in_a_transform_is_found_on_its_line(shop: World) -> None:
    assert reported(shop, "\n-- by day\nselect day,\n  sum(amout) as amount\nfrom sales group by day\n") == [
        "shop/report.sql:4: no column amout; did you mean amount?"
    ]


def test_a_transform_over_a_transform_and_a_quarantine_binds(shop: World) -> None:
    shop.declare("transform: later\nsql: later.sql\ntarget: {path: gold/later/}\n", later="select max(amount) as most from report")
    assert reported(shop, QUERY) == []


def test_a_result_with_one_name_twice_is_found(shop: World) -> None:
    (problem,) = reported(shop, "select a.day, b.id, b.ID from sales a, sales b")
    assert "shop/report.sql: the result has id twice" in problem


def test_a_result_of_a_type_that_no_table_holds_is_found(shop: World) -> None:
    (problem,) = reported(shop, "select day, interval '1 day' as length from sales")
    assert "column length: expected a type that a table can hold; found INTERVAL" in problem


def test_a_partition_that_the_result_lacks_is_found(shop: World) -> None:
    assert reported(shop, "select cast(sold as date) as date, amount from sales") == [
        "shop/report.yaml:4: target.partition_by: no column day; there is date, amount"
    ]


def test_a_partition_that_is_the_whole_result_is_found(shop: World) -> None:
    (problem,) = reported(shop, "select distinct day from sales")
    assert "at least one column must remain" in problem


def test_an_expectation_of_a_column_that_the_result_lacks_is_found(shop: World) -> None:
    declaration = REPORT + "expect:\n  - {name: one, unique: [dya]}\n  - {name: full, nulls: {amuont: 0}}\n"
    assert reported(shop, QUERY, declaration) == [
        "shop/report.yaml:6: expect.0.unique: no column dya; did you mean day?",
        "shop/report.yaml:7: expect.1.nulls: no column amuont; did you mean amount?",
    ]


def test_a_folder_that_is_no_project_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="expected a folder of pipelines"):
        problems(tmp_path / "nowhere", tmp_path)


def test_a_check_sees_the_types_that_the_table_will_have(shop: World, tmp_path: Path) -> None:
    """The binder invents the columns that a check sees; here they are held against those that conforming really gives."""
    shop.declare(
        "dataset: kinds\nsource: {path: raw/kinds/, format: json}\ntarget: {path: kinds/}\ncolumns:\n"
        + "".join(
            f'  - {{name: c{n}, type: "{kind}"}}\n'
            for n, kind in enumerate(["boolean", "tinyint", "bigint", "float", "double", "varchar", "json", "date", "timestamp"])
        )
    )
    with open_session([], tmp_path, memory="256MiB", threads=1) as connection:
        for dataset in declarations.load(shop.home / "project").datasets.values():
            wanted = {row[0]: row[1] for row in connection.execute(f"describe {empty_rows(dataset)}").fetchall()}
            given = {row[0]: row[1] for row in connection.execute(f"describe {conform(dataset, nothing_read(dataset))}").fetchall()}
            assert {column.name: given[column.name] for column in dataset.columns} == {c.name: wanted[c.name] for c in dataset.columns}


def nothing_read(dataset: Dataset) -> str:
    names = ", ".join(f'null::varchar as "{column.name}"' for column in dataset.read_columns)
    return f"select 0 as _file, null::varchar as _problem, null::varchar as _raw, null::varchar as _rescued, {names}"


def test_a_problem_reads_as_an_editor_can_follow_it() -> None:
    assert str(Problem("shop/sales.yaml", 12, "checks.0.sql", "no")) == "shop/sales.yaml:12: checks.0.sql: no"


def test_tables_that_athena_could_not_tell_apart_are_a_problem(world: World, tmp_path: Path) -> None:
    world.declare(ORDERS.replace("dataset: orders", "dataset: shop-orders"))
    world.declare(ORDERS.replace("dataset: orders", "dataset: Shop_Orders").replace("/orders/", "/others/"))
    first, second = sorted(problem.message for problem in problems(world.home / "project", tmp_path))
    assert first.startswith("Athena would call it quarantine_shop_orders, and quarantine.")
    assert second.startswith("Athena would call it shop_orders, and ")
