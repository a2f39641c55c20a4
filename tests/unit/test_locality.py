"""Which queries may be run partition by partition: those of which it can be shown, and the others are refused by their clause."""

import duckdb
import pytest

from core.locality import refuse_unless_local
from core.locality.changing import BARE, VOLATILE

SLICED = ("sales", "returns")

LOCAL = [
    "select * from sales",
    "from sales",
    "from sales select date, amount where amount > 0",
    'select S."DATE", amount from sales as s',
    "select * exclude (amount) from sales",
    "select d.* from (select date, amount from sales) as d",
    "select date, upper(region) as region from sales where amount > 0 and region is not null order by region",
    "select date, sum(amount) as amount from sales group by date",
    "select date, region, sum(amount) as amount from sales group by all having sum(amount) > 0",
    "select region, date, count(*) from sales group by 1, 2",
    "select sales.date from sales group by sales.date",
    "select d as date, n from (select date as d, count(*) as n from sales group by d)",
    "select distinct date, region from sales",
    "select distinct on (region, date) * from sales order by amount",
    "select date, row_number() over (partition by date, region order by id) as place from sales",
    "select * from sales qualify row_number() over (partition by id, date order by amount) = 1",
    "select date, sum(sum(amount)) over (partition by date) as day from sales group by date, region",
    "select s.date, s.amount - r.amount as net from sales as s join returns as r on s.date = r.date and s.id = r.id",
    "select s.date, r.id from sales as s join returns as r on ((r.date = s.date) and (r.id = s.id or r.id is null))",
    "select s.date, r.id from sales as s join returns as r on s.date is not distinct from r.date",
    "select date, s.id from sales as s left join returns using (date, id)",
    "select * from sales join returns using (date, id)",
    "select s.date, r.id from sales as s, returns as r where s.date = r.date and s.id = r.id",
    "select s.date, r.id from sales as s cross join returns as r where r.date = s.date",
    "select s.date, s.id from sales as s semi join returns as r on s.date = r.date and s.id = r.id",
    "select s.date, s.id from sales as s anti join returns as r on s.date = r.date and s.id = r.id",
    "select s.date, c.name from sales as s left join customers as c on c.id = s.customer",
    "select s.* from sales as s join customers as c using (customer)",
    "select s.date, c.name from customers as c join sales as s on c.id = s.customer",
    "select s.*, c.name from sales as s, customers as c where c.id = s.customer",
    "select date, amount from sales where region in (select region from customers)",
    "select date, (select max(rate) from rates where rates.currency = sales.currency) as rate from sales",
    "select s.date, r.rate from sales as s join (select currency, max(rate) as rate from rates group by currency) as r using (currency)",
    "select s.date, c.n from sales as s join (select count(*) over () as n, id from customers full join rates using (id)) as c using (id)",
    "select date, item from sales, unnest(sales.items) as t(item)",
    "select s.date, x.i from sales as s, range(3) as x(i)",
    "select date, amount from sales union all select date, -amount from returns",
    "select date, id from sales union select date, id from returns",
    "select amount, date from sales union by name select date, amount from returns",
    "select date, id from sales except select date, id from returns",
    "with days as (select date, sum(amount) as amount from sales group by date) select date, amount from days",
    "with s as (select * from sales), r as (select date, id from returns) select s.date, r.id from s left join r on r.date = s.date",
    "with sales as (select * from sales where amount > 0) select date, count(*) as n from sales group by date",
    "with recursive n as (select 1 as i union all select i + 1 from n where i < 3) select date, i from sales, n",
    "select date, age(a, b) as age, 'now()' as word from sales",
    "select date, list_transform(items, lambda x: x + 1) as items, {'date': amount} as s from sales",
]


@pytest.mark.parametrize("query", LOCAL)
def test_a_query_that_keeps_to_its_partitions_is_accepted(query: str) -> None:
    refuse_unless_local(query, SLICED, ("date",))


TABLES = """
create table all_sales as select i as id, i % 4 as customer, i * 7 % 5 as amount, ['n', null, 's'][1 + i % 3] as region, 'EUR' as currency,
    [i, i + 1] as items, timestamp '2025-01-01' as a, timestamp '2025-01-02' + interval (i) hour as b,
    if(i % 6 = 5, null, date '2025-01-01' + (i % 6)::integer) as date from range(40) as t(i);
create table all_returns as select id, amount, id % 3 as n, date from all_sales where id % 4 > 0 union all
    select 7, 1, 1, date '2025-01-02' union all select 8, 1, 1, date '2026-01-01';
create table customers as select i as id, i as customer, ['n', 's'][1 + i % 2] as region, 'c' || i as name from range(3) as t(i);
create table rates as select 1 as id, 'EUR' as currency, 1.5 as rate union all select 2, 'GBP', 2.5;
"""


@pytest.mark.parametrize("query", LOCAL)
def test_an_accepted_query_says_the_same_of_each_partition_alone(query: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(TABLES)

        def answer(where: str) -> list[str]:
            for name in SLICED:
                connection.execute(f"create or replace temp view {name} as select * from all_{name} where {where}")
            found = connection.execute(query)
            place = [column[0].lower() for column in found.description].index("date")
            rows = found.fetchall()
            return sorted(repr((str(row[place]), row)) for row in rows)

        days = connection.execute("select distinct date from all_sales union select date from all_returns").fetchall()
        each = [answer(f"date is not distinct from {f'date {str(day)!r}' if day else 'null'}") for (day,) in days]
        assert answer("true") == sorted(row for rows in each for row in rows)
        assert any(each)


REFUSED = [
    ("select amount from sales", "has no plain column date"),
    ("select date + 1 as date from sales", "takes the name of date"),
    ("select date + 1 as day from sales", "has no plain column date"),
    ("select date as day from sales", "the result has no plain column date"),
    ("select cast(date as date) as date from sales", "takes the name of date"),
    ("select amount as date, date as day from sales", "takes the name of date"),
    ("select max(date) as date from sales", "adds up everything; group by date"),
    ("select sum(amount) from sales", "adds up everything; group by date"),
    ("select region, count(*) from sales group by region", "GROUP BY region lacks date"),
    ("select date, count(*) from sales group by date_trunc('month', date)", "lacks date"),
    ("select count(*), region from sales group by 2", "lacks date"),
    ("select date, count(*) from sales group by rollup (date)", "adds up over several date"),
    ("select date, count(*) from sales group by grouping sets ((date), ())", "adds up over several date"),
    ("select date, row_number() over (order by id) from sales", "without partition by date"),
    ("select date, lag(amount) over (partition by region order by date) from sales", "without partition by date"),
    ("select date, sum(amount) over () from sales", "without partition by date"),
    ("select * from sales qualify row_number() over (partition by id order by date desc) = 1", "without partition by date"),
    ("select date, sum(amount) over (partition by year(date)) from sales", "without partition by date"),
    ("select date, sum(amount) over w from sales window w as (partition by region)", "cannot be looked through"),
    ("select distinct on (region) date, region from sales", "distinct on (region) lacks date"),
    ("select date, amount from sales limit 10", "limit takes some rows of all"),
    ("select date from sales, (select rate from rates limit 1) as r", "limit takes some rows of all"),
    ("select date, amount from sales offset 10", "offset takes some rows of all"),
    ("select date, amount from sales using sample 10%", "a sample takes some rows of all"),
    ("select date, amount from sales tablesample 10%", "a sample takes some rows of all"),
    ("select s.date from sales as s full join returns as r on s.date = r.date", "not every row is sure to have its partition"),
    ("select r.date from sales as s right join returns as r on s.date = r.date", "not every row is sure to have its partition"),
    ("select s.date from sales as s natural join returns as r", "not every row is sure to have its partition"),
    ("select s.date from sales as s asof join returns as r on s.date = r.date and s.at >= r.at", "not every row is sure"),
    ("select s.date from sales as s positional join returns as r", "not every row is sure to have its partition"),
    ("select s.date from sales as s right join customers as c on s.customer = c.id", "not every row is sure"),
    ("select c.name, s.date from customers as c left join sales as s on s.customer = c.id", "the left side of LEFT JOIN sales"),
    ("select c.name from customers as c semi join sales as s on s.customer = c.id", "the left side of SEMI JOIN sales"),
    ("select r.date from sales as s left join returns as r on s.date = r.date", "takes the name"),
    ("select coalesce(s.date, r.date) as date from sales as s left join returns as r on s.date = r.date", "takes the name"),
    ("select s.date from sales as s join returns as r on s.id = r.id", "meets rows of any date"),
    ("select s.date from sales as s join returns as r using (id)", "meets rows of any date"),
    ("select s.date from sales as s join returns as r on s.date = r.date or s.id = r.id", "meets rows of any date"),
    ("select s.date from sales as s join returns as r on s.date >= r.date", "meets rows of any date"),
    ("select s.date from sales as s join returns as r on s.date = r.day", "meets rows of any date"),
    ("select s.date from sales as s, returns as r where s.id = r.id", "meets rows of any date"),
    ("select s.date from sales as s left join returns as r on s.id = r.id where s.date = r.date", "meets rows of any date"),
    ("select s.date from sales as s cross join returns as r", "meets rows of any date"),
    (
        "select s.date from sales as s left join returns as r on s.date = r.date join returns as q on q.date = r.date",
        "meets rows of any date",
    ),
    ("select s.date from sales as s anti join returns as r on s.id = r.id", "meets rows of any date"),
    ("select date from sales where id in (select id from returns)", "a subquery in an expression reads a sliced input"),
    ("select date from sales where exists (select 1 from returns where returns.date = sales.date)", "a subquery in an expression"),
    ("select date, amount / (select sum(amount) from sales) as share from sales", "a subquery in an expression"),
    ("with r as (select * from returns) select date from sales where id in (select id from r)", "a subquery in an expression"),
    ("select s.date from sales as s join customers as c on c.n = (select count(*) from returns)", "a subquery in an expression"),
    ("select (select max(date) from sales) as date", "a subquery in an expression"),
    ("select date, now() as at from sales", "now says something else in each run"),
    ("select date, NOW ( ) as at from sales", "now says something else in each run"),
    ("select date from sales where date < current_date", "current_date says something else"),
    ('select date, "random"() as x from sales', "random says something else"),
    ("select date, amount.random() as x from sales", "random says something else"),
    ("select date, uuid() as x from sales", "uuid says something else"),
    ("select date, r.x from sales, (select random() as x) as r", "random says something else"),
    ("select date, age(at) as x from sales", "age of one moment"),
    ("select date, x from sales, read_csv('rates.csv') as r(x)", "read_csv reads files whose changes nobody follows"),
    ("select date, amount from sales union all select date, amount from archive", "a branch of the union lacks date"),
    ("select date, day from sales union all select day, date from returns", "a branch of the union lacks date"),
    ("select * from sales union all select * from returns", "a branch of the union lacks date at the same place"),
    ("select date, id from sales union by name select date as day, id from returns", "has no plain column date|lacks date"),
    ("with s as (select amount from sales) select * from s", "has no plain column date"),
    ("with recursive s as (select * from sales union all select * from s) select * from s", "with recursive s reads a sliced input"),
    ("with s(day, date) as (select date, amount from sales) select date, day from s", "names the columns anew"),
    ("select date, x from sales as s(x, date)", "names the columns anew"),
    ("select s.date from sales as s, calendar as c join returns as r using (date)", "binds closer than the comma before it"),
    ("select s.date from sales as s, calendar as c left join returns as r on r.date = s.date", "binds closer than the comma before it"),
    ("select s.date from (select date as d, * from sales) as s", "may have two columns d"),
    ("select * from sales as s join customers as c on c.id = s.customer", "may have two columns date"),
    ("select s.date from (select s.date, c.* from sales as s, customers as c) as s", "may have two columns date"),
    ("select date, date from sales", "may have two columns date"),
    ("select * replace (amount as date) from sales", "nobody knows its columns"),
    ("select * rename (date as day, day as date) from sales", "nobody knows its columns"),
    ("select columns('d.*') from sales", "nobody knows its columns"),
    ("select #1, date from sales", "nobody knows its columns"),
    ("select date, unnest(s) from sales", "nobody knows its columns"),
    ("select s.* from sales as t", "nobody knows its columns"),
    ("select s.date.x as date from sales as s", "takes the name of date"),
    ("pivot sales on region using sum(amount)", "cannot be looked through"),
    ("select * from (pivot sales on region using sum(amount) group by date)", "cannot be looked through"),
    ("select * from sales at (version => 1)", "cannot be looked through"),
    ("select t.date from (sales join returns on sales.id = returns.id) as t", "cannot be looked through"),
    ("select s.date from sales as s, lateral (select * from returns) as r", "cannot be looked through"),
    ("select s.date from sales as s join returns as s on true", "s stands twice in one from"),
]


@pytest.mark.parametrize(("query", "told"), REFUSED)
def test_a_query_that_may_not_keep_to_its_partitions_is_refused_by_its_clause(query: str, told: str) -> None:
    with pytest.raises(ValueError, match="(?i)" + "|".join(map(escaped, told.split("|")))):
        refuse_unless_local(query, SLICED, ("date",))


def escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "()*.?" else character for character in text)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("select year, month, count(*) as n from sales group by year, month", ""),
        ("select s.year, s.month from sales as s join returns as r on s.year = r.year and s.month = r.month", ""),
        ("select year, month, count(*) as n from sales group by year", "lacks month"),
        ("select year, month, sum(n) over (partition by month) as n from sales", "without partition by year"),
        ("select s.year, s.month from sales as s join returns as r on s.year = r.year", "meets rows of any month"),
        ("select year as month, month as year from sales", "takes the name"),
        ("select year, month from sales union all select month, year from returns", "at the same place"),
    ],
)
def test_all_partition_columns_are_kept_to(query: str, told: str) -> None:
    if not told:
        refuse_unless_local(query, SLICED, ("year", "month"))
        return
    with pytest.raises(ValueError, match=told):
        refuse_unless_local(query, SLICED, ("year", "month"))


def test_every_function_that_duckdb_calls_changing_is_known() -> None:
    """Also those that a newer DuckDB has; `error` always says the same, as far as it says anything."""
    found = duckdb.execute("select distinct function_name from duckdb_functions() where stability not in ('CONSISTENT')").fetchall()
    assert {name for (name,) in found} - {"error"} <= VOLATILE
    assert BARE <= VOLATILE


def test_a_query_that_is_nested_too_deeply_is_refused() -> None:
    query = "select * from sales"
    for _ in range(300):
        query = f"select * from ({query})"
    with pytest.raises(ValueError, match="nested too deeply"):
        refuse_unless_local(query, SLICED, ("date",))
