"""Records land as one immutable object, judged by what will load them; the same request twice is one object."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import Terminal
from core.ingest import ingest
from core.lake import Lake
from core.land import CUTTERS, Landed, Malformed, Record, Reused, TooMuch, Underway, Unpostable, claims, land, landing, unpostable
from core.land.bodies import DEEPEST, MOST_RECORDS
from core.land.landing import Keep
from tests.faults.test_protocol import Killed, failing_once
from tests.world import ORDERS, World

READINGS = """
dataset: readings
source: {path: raw/readings/, format: json, options: {layout: LAYOUT}, unknown_columns: UNKNOWN}
columns:
  - {name: id, type: bigint, required: true}
  - {name: amount, type: "decimal(30,10)"}
  - {name: note}
  - {name: city, from: place.city}
checks:
  - {name: amount_not_negative, sql: amount >= 0}
  - {name: amount_is_small, sql: amount < 1000, action: warn}
  - {name: id_is_positive, sql: id > 0, action: fail}
target: {path: processed/readings/}
"""


def declared(world: World, layout: str = "lines", unknown: str = "reject") -> World:
    return world.declare(READINGS.replace("LAYOUT", layout).replace("UNKNOWN", unknown))


def post(world: World, body: str, *, kind: str = "json", keep: Keep = "all", once: str | None = None, name: str = "readings") -> Landed:
    return land(world.lake, world.lake.project.datasets[name], CUTTERS[kind](body), keep=keep, once=once)


def violations(landed: Landed) -> list[tuple[str, ...]]:
    return [verdict.violations for verdict in landed.verdicts]


def texts(records: Sequence[Record]) -> list[str]:
    return [record.text for record in records]


# --- cutting -------------------------------------------------------------------------------------------------------------------------


def test_a_record_keeps_its_text() -> None:
    odd = '{"a" : 9007199254740993,"b":1.10, "a":1E+2,"c":"\\u00e9é\\/","d":-0}'
    assert texts(CUTTERS["json"](f" \n[ {odd} ,\t{{}},[1],null]\r\n")) == [odd, "{}", "[1]", "null"]
    assert texts(CUTTERS["json"](odd)) == [odd]
    assert texts(CUTTERS["jsonl"](f"{odd}\r\n\n  {{}}\n")) == [odd, "{}"]


def test_a_record_that_is_spread_over_lines_is_one_line_and_the_same() -> None:
    (record,) = CUTTERS["json"]('{\r\n  "a": [\n1,\r2],\n  "b": "x\\ny"\n}')
    assert "\n" not in record.text
    assert "\r" not in record.text
    assert json.loads(record.text) == {"a": [1, 2], "b": "x\ny"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "found nothing"),
        (" \n\t", "found nothing"),
        ("[]", "an empty array"),
        ("[ ]", "an empty array"),
        ("5", "neither"),
        ("null", "neither"),
        ('"x"', "neither"),
        ("NaN", "neither"),
        ("{", "line 1 column 2"),
        ('{"a":1', "line 1 column 7"),
        ('{"a":1}\n{"a":2}', "line 2 column 1"),
        ('[{"a":1}\n {"a":2}]', "line 2 column 2"),
        ('[{"a":1},]', "record 1"),
        ('[{"a":1}', "found the end"),
        ("{'a':1}", "line 1 column 2"),
        ('{"a":NaN}', "NaN"),
        ('[{"a":1},{"a":-Infinity}]', "record 1"),
        ('{"a":"x\ty"}', "Invalid control character"),
        ('{"a":"\\x"}', "Invalid"),
        ('{"a":01}', "line 1 column"),
        ("\ufeff{}", "neither"),
    ],
)
def test_a_body_that_is_no_json_says_where(body: str, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        CUTTERS["json"](body)


@pytest.mark.parametrize("line", ["{", "{'a':1}", '{"a":NaN}', '{"a":1}{"a":2}', '{"a":1},', '{"a":1,}', "x", "\ufeff{}", '{"a":"\\x"}'])
def test_a_line_that_is_no_json_harms_no_other(line: str) -> None:
    assert CUTTERS["jsonl"](f'{{"a":1}}\n{line}\n{{"a":2}}') == (Record('{"a":1}'), Record(line, "not valid JSON"), Record('{"a":2}'))


@pytest.mark.parametrize("depth", [DEEPEST, 300, 10_000, 100_000, 1_000_000])
@pytest.mark.parametrize("pair", [("[", "]"), ('{"a":', "}")])
def test_nesting_is_bounded(depth: int, pair: tuple[str, str]) -> None:
    deep = '{"x":' + pair[0] * depth + "1" + pair[1] * depth + "}"
    with pytest.raises(Malformed, match="levels of nesting"):
        CUTTERS["json"](f'[{{"a":1}},{deep}]')
    with pytest.raises(Malformed, match="levels of nesting"):
        CUTTERS["json"](f'{{"x":{deep},"x":1}}')
    assert [bool(record.problem) for record in CUTTERS["jsonl"](f'{{"a":1}}\n{deep}')] == [False, True]
    shallow = json.dumps({"x": [[{"y": 1}]] * 1000})
    assert texts(CUTTERS["json"](shallow)) == [shallow]


def test_records_are_counted() -> None:
    most = ",".join(["{}"] * MOST_RECORDS)
    assert len(CUTTERS["json"](f"[{most}]")) == len(CUTTERS["jsonl"]("{}\n" * MOST_RECORDS)) == MOST_RECORDS
    with pytest.raises(TooMuch):
        CUTTERS["json"](f"[{most},{{}}]")
    with pytest.raises(TooMuch):
        CUTTERS["jsonl"]("{}\n" * (MOST_RECORDS + 1))
    with pytest.raises(Malformed):
        CUTTERS["jsonl"](" \n\r\n")


# --- landing -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["lines", "array", "concatenated"])
def test_what_lands_is_loaded_to_the_last_digit(anywhere: World, layout: str) -> None:
    declared(anywhere, layout, "rescue")
    first = '{"id":9007199254740993,"amount":1.10,"note":"é 日本 \\ud83d\\ude00 \\u0000 1.50","deep":[1.50,1e2]}'
    landed = post(anywhere, f'[{first},\n{{"id":2,"amount":0.1000000001}}]')

    assert landed.key is not None
    assert landed.accepted == 2
    assert anywhere.keys("raw/") == {landed.key}
    assert landed.key.startswith(f"raw/readings/{anywhere.lake.now():%Y/%m/%d}/")
    assert anywhere.fates() == {landed.key: "loaded"}
    assert anywhere.rows("select id, amount, note, _rescued, _row from readings order by _row") == [
        {"id": 9007199254740993, "amount": "1.1000000000", "note": "é 日本 😀 \x00 1.50", "_rescued": '{"deep":[1.50,1e2]}', "_row": 1},
        {"id": 2, "amount": "0.1000000001", "note": None, "_rescued": None, "_row": 2},
    ]


def test_an_object_holds_the_bytes_that_came(world: World) -> None:
    declared(world, "array", "ignore")
    first, second = '{"id" : 1.0, "amount":"1.10","x":1E400}', '{"id":"2","note":"\\u00e9"}'
    landed = post(world, f"{first}\n\n{second}\r\n", kind="jsonl")
    assert world.lake.raw.get(landed.key or "") == f"[\n{first},\n{second}\n]\n".encode()


def test_one_refused_record_keeps_all_of_them_out(anywhere: World) -> None:
    declared(anywhere)
    landed = post(anywhere, '[{"id":1},{"amount":1.5},{"id":2,"amount":-1,"nope":1,"place":5},{"id":3,"id":3},{"id":0},7]')

    assert (landed.key, landed.accepted) == (None, 0)
    assert violations(landed) == [
        (),
        ("id: required",),
        ("place: not an object",),
        ("a key stands there twice",),
        ("check id_is_positive",),
        ("not a JSON object",),
    ]
    assert anywhere.keys() == set()


def test_the_reasons_are_those_that_the_quarantine_would_give(world: World) -> None:
    records = [
        '{"id":1,"amount":2000}',
        '{"id":"x","amount":1.00000000001}',
        '{"id":1,"amount":-1}',
        '{"id":1,"b":1}',
        '{"id":1,"note":"\\ud800"}',
        "[]",
    ]
    landed = post(declared(world), "\n".join(records), kind="jsonl")
    world.put("raw/readings/same.json", "\n".join(records))
    world.run()

    quarantined = {row["_row"]: tuple(row["reasons"]) for row in world.rows("select _row, reasons from quarantine.readings")}
    assert violations(landed) == [quarantined.get(n + 1, ()) for n in range(len(records))]
    assert landed.verdicts[0].warnings == ("amount_is_small",)


@pytest.mark.parametrize("layout", ["lines", "array", "concatenated"])
def test_the_good_ones_land_alone_where_that_is_asked_for(anywhere: World, layout: str) -> None:
    declared(anywhere, layout)
    body = '{"id":1}\n{"id":2,"amount":-1}\nnonsense\n{"id":0}\n5\n{"id":4,"note":"\\ud800"}\n{"id":5}{"id":6}\n{"id":7}'
    landed = post(anywhere, body, kind="jsonl", keep="good")

    assert [n for n, said in enumerate(violations(landed)) if not said] == [0, 7]
    assert landed.accepted == 2
    assert anywhere.fates() == {landed.key: "loaded"}
    assert anywhere.values("select id from readings order by id") == [1, 7]
    assert anywhere.lake.quarantine(anywhere.lake.project.datasets["readings"]) is None


def test_nothing_lands_where_none_is_good(world: World) -> None:
    landed = post(declared(world), '[{"amount":1},{"amount":2}]', keep="good")
    assert (landed.key, landed.accepted, violations(landed)) == (None, 0, [("id: required",), ("id: required",)])
    assert world.keys() == set()


@pytest.mark.parametrize("layout", ["lines", "array", "concatenated"])
@pytest.mark.parametrize("text", ["5", "null", '"x"', "true", "[1]", "[]", "-1.5e3"])
def test_what_is_no_object_is_refused_wherever_it_stands(world: World, layout: str, text: str) -> None:
    declared(world, layout)
    for body in (f"[{text}]", f'[{{"id":1}},{text}]', f'[{text},{{"id":1}}]'):
        landed = post(world, body, keep="good")
        assert ("not a JSON object",) in violations(landed)
        assert landed.accepted == len(landed.verdicts) - 1


def test_only_json_can_be_posted(world: World) -> None:
    world.declare(ORDERS)
    with pytest.raises(Unpostable, match="format csv"):
        post(world, '{"id":1}', name="orders")
    world.declare(READINGS.replace("layout: LAYOUT", "encoding: latin-1").replace("UNKNOWN", "reject"))
    with pytest.raises(Unpostable, match="iso8859-1"):
        post(world, '{"id":1}')
    assert world.keys() == set()


@pytest.mark.parametrize(
    "path",
    [
        "raw/r/", "raw/r/*.json", "raw/r/*.jsonl", "raw/r/a-*", "raw/r/*", "raw/*/r/*.json", "raw/r/?x*-[abc].data.json",
        "raw/r/[!a]*b.json", "raw/r/*.gz", "raw/r-*/in-*",
    ],
)  # fmt: skip
@pytest.mark.parametrize("format", ["json", "jsonl"])
def test_an_object_is_named_so_that_its_source_covers_it(world: World, path: str, format: str) -> None:
    text = READINGS.replace("options: {layout: LAYOUT}, ", "").replace("UNKNOWN", "reject")
    world.declare(text.replace("raw/readings/", f'"{path}"').replace("format: json", f"format: {format}"))
    if path == "raw/r/[!a]*b.json":
        assert unpostable(world.lake.project, world.lake.project.datasets["readings"])
        return
    landed = post(world, '{"id":1}', once="a")
    assert world.fates() == {landed.key: "loaded"}
    assert world.values("select id from readings") == [1]
    world.lake.store.delete(f"{claims.folder_of(world.lake.project.datasets['readings'], 'a')}/landed")
    assert post(world, '{"id":1}', once="a") == landed


def test_a_source_of_one_name_cannot_be_posted_to(world: World) -> None:
    world.declare(READINGS.replace("LAYOUT", "lines").replace("UNKNOWN", "reject").replace("raw/readings/", '"raw/r/the?.json"'))
    with pytest.raises(Unpostable, match=r"the\?\.json"):
        post(world, '{"id":1}')


LOOKS = """
dataset: readings
source: {path: raw/readings/, format: jsonl}
columns: [{name: id, type: bigint}, {name: order_id, type: bigint}]
checks:
  - {name: order_is_known, sql: order_id in (select id from orders)}
  - {name: id_is_there, sql: id is not null}
target: {path: processed/readings/}
"""


def test_a_check_that_looks_into_another_table_is_asked_once_that_table_is_there(anywhere: World) -> None:
    anywhere.declare(ORDERS).declare(LOOKS)
    early = post(anywhere, '[{"id":1,"order_id":7},{"id":2,"order_id":8}]')
    assert (early.accepted, early.unchecked) == (2, ("order_is_known",))
    anywhere.put("raw/orders/a.csv", "id,amount,placed\n7,1,\n")
    anywhere.run(names=["orders"])

    late = post(anywhere, '[{"id":3,"order_id":7},{"id":4,"order_id":9},{"order_id":9}]')
    assert (late.key, late.unchecked) == (None, ())
    assert violations(late) == [(), ("check order_is_known",), ("check id_is_there", "check order_is_known")]
    anywhere.run()
    assert anywhere.values("select id from readings") == [1]


def test_a_check_that_cannot_run_is_the_declarations_fault(world: World) -> None:
    world.declare(LOOKS.replace("order_id in (select id from orders)", "nowhere = 1"))
    with pytest.raises(Terminal, match="Mend the declaration"):
        post(world, '{"id":1}')
    assert world.keys() == set()


# --- once ----------------------------------------------------------------------------------------------------------------------------


def rows_of(world: World) -> list[int]:
    world.run()
    found: list[int] = world.values("select id from readings order by id")
    return found


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(Lake, "now", lambda _: moment)


def claim_only(world: World, body: str, once: str) -> Landed:
    """Do what a request does until it has claimed its key, and die there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.land.landing._finish", _die)
        with pytest.raises(KeyboardInterrupt):
            post(world, body, once=once)
    dataset = world.lake.project.datasets["readings"]
    claim = claims.newest(world.lake, claims.folder_of(dataset, once))
    assert claim is not None
    return Landed("readings", claim.key, ())


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_same_request_again_is_the_same_object_and_answer(anywhere: World) -> None:
    declared(anywhere)
    body = '{"id":1}\n{"id":2,"amount":-1}\n{"id":3,"amount":5000}'
    first = post(anywhere, body, kind="jsonl", keep="good", once="a")
    assert first.accepted == 2
    assert post(anywhere, body, kind="jsonl", keep="good", once="a") == first
    assert len(anywhere.keys("raw/")) == 1
    assert rows_of(anywhere) == [1, 3]

    assert anywhere.keys("raw/") == set()
    assert post(anywhere, body, kind="jsonl", keep="good", once="a") == first
    assert anywhere.keys("raw/") == set()
    assert rows_of(anywhere) == [1, 3]


def test_without_a_key_each_request_is_an_object_of_its_own(world: World) -> None:
    declared(world)
    assert len({post(world, '{"id":1}').key for _ in range(3)}) == 3
    assert rows_of(world) == [1, 1, 1]
    assert not list(world.lake.store.list("landing/"))


def test_a_key_is_for_one_request(anywhere: World) -> None:
    declared(anywhere)
    post(anywhere, '[{"id":1}]', once="a")
    for body, keep in (('[{"id":2}]', "all"), ('[{"id":1},{"id":1}]', "all"), ('[{"id":1}]', "good")):
        with pytest.raises(Reused):
            post(anywhere, body, keep=keep, once="a")  # type: ignore[arg-type]
    assert post(anywhere, '{"id":2}', once="b").accepted == 1
    assert rows_of(anywhere) == [1, 2]


def test_a_refused_request_leaves_its_key_free(world: World) -> None:
    declared(world)
    assert post(world, '{"id":"x"}', once="a").key is None
    assert post(world, '{"id":1}', once="a").accepted == 1
    assert rows_of(world) == [1]


def test_a_key_is_the_datasets_own(world: World) -> None:
    declared(world)
    world.declare(
        LOOKS.replace("dataset: readings", "dataset: others")
        .replace("/readings/", "/others/")
        .replace("  - {name: order_is_known, sql: order_id in (select id from orders)}\n", "")
    )
    assert post(world, '{"id":1}', once="a").key != post(world, '{"id":1}', once="a", name="others").key


def test_a_request_that_died_after_its_claim_is_finished_by_the_next(anywhere: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(anywhere)
    now = anywhere.lake.now()
    claimed = claim_only(anywhere, '{"id":1}', "a")
    assert anywhere.keys("raw/") == set()
    with pytest.raises(Underway):
        post(anywhere, '{"id":1}', once="a")
    with pytest.raises(Reused):
        post(anywhere, '{"id":2}', once="a")

    at(monkeypatch, now + claims.LEASE * 2)
    landed = post(anywhere, '{"id":1}', once="a")
    assert landed.key == claimed.key
    assert post(anywhere, '{"id":1}', once="a") == landed
    assert rows_of(anywhere) == [1]
    assert post(anywhere, '{"id":1}', once="a") == landed
    assert rows_of(anywhere) == [1]


def test_a_request_that_died_before_its_object_landed_is_not_taken_for_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(world)
    now = world.lake.now()
    with monkeypatch.context() as patch:  # the first claim is the key's, the second is the object
        patch.setattr(world.lake.raw, "claim", failing_once(world.lake.raw.claim, Killed(), at=2, after=False))
        with pytest.raises(Killed):
            post(world, '{"id":1}', once="a")
    at(monkeypatch, now + claims.LEASE * 2)
    assert post(world, '{"id":1}', once="a").key in world.keys("raw/")
    assert rows_of(world) == [1]


def test_heirs_die_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(world)
    now = world.lake.now()
    keys = set()
    for turn in range(3):
        at(monkeypatch, now + claims.LEASE * 2 * turn)
        keys.add(claim_only(world, '{"id":1}', "a").key)
        with pytest.raises(Underway):
            post(world, '{"id":1}', once="a")
    at(monkeypatch, now + claims.LEASE * 8)
    assert keys == {post(world, '{"id":1}', once="a").key}
    assert rows_of(world) == [1]


@pytest.mark.parametrize("moved", ["", "archived", "rejected"])
def test_a_request_that_died_before_it_said_so_is_known_by_its_object(anywhere: World, monkeypatch: pytest.MonkeyPatch, moved: str) -> None:
    declared(anywhere)
    landed = post(anywhere, '{"id":1}', once="a")
    dataset = anywhere.lake.project.datasets["readings"]
    anywhere.lake.store.delete(f"{claims.folder_of(dataset, 'a')}/landed")
    if moved == "rejected":
        declared(anywhere).declare(READINGS.replace("LAYOUT", "array").replace("UNKNOWN", "reject"))
    if moved:
        fates = anywhere.fates()
        assert fates == {landed.key: "loaded" if moved == "archived" else "rejected: unreadable"}
    at(monkeypatch, anywhere.lake.now() + timedelta(days=1))
    assert post(anywhere, '{"id":1}', once="a").key == landed.key
    assert len(anywhere.keys("raw/")) == (0 if moved else 1)
    assert len([key for key in anywhere.keys(moved or "raw/") if not key.endswith(".report.json")]) == 1


def test_a_note_that_outlived_its_claim_is_not_taken_for_anothers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(world)
    post(world, '{"id":1}', once="a")
    rows_of(world)
    folder = claims.folder_of(world.lake.project.datasets["readings"], "a")
    world.lake.store.delete(f"{folder}/1")  # by its age, as after 30 days
    now = world.lake.now()
    at(monkeypatch, now + timedelta(days=31))
    claim_only(world, '{"id":2}', "a")
    with pytest.raises(Underway):
        post(world, '{"id":2}', once="a")
    at(monkeypatch, now + timedelta(days=32))
    assert post(world, '{"id":2}', once="a").accepted == 1
    assert len(world.keys("raw/")) == 1


def test_many_at_once_are_one_object(world: World) -> None:
    """In a folder only: the stand-in for S3 looks and puts in two steps, and under load lets two win in one race of a hundred."""
    declared(world)

    def one(_: int) -> str | None:
        try:
            return post(world, '[{"id":1},{"id":2}]', once="a").key
        except Underway:
            return "later"

    with ThreadPoolExecutor(8) as pool:
        said = set(pool.map(one, range(24)))
    assert len(said - {"later"}) == 1
    assert world.keys("raw/") == said - {"later"}
    assert post(world, '[{"id":1},{"id":2}]', once="a").key in said
    assert rows_of(world) == [1, 2]


def test_a_request_that_is_overtaken_while_it_is_judged_answers_as_the_other(anywhere: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(anywhere)
    judge, others = landing.judge, []

    def be_overtaken(*given: Any) -> Any:
        verdicts = judge(*given)
        monkeypatch.setattr(landing, "judge", judge)
        others.append(post(anywhere, '{"id":1}', once="a"))
        return verdicts

    monkeypatch.setattr(landing, "judge", be_overtaken)
    assert post(anywhere, '{"id":1}', once="a") == others[0]
    assert anywhere.keys("raw/") == {others[0].key}
    assert rows_of(anywhere) == [1]


def test_many_heirs_are_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(world)
    now = world.lake.now()
    key = claim_only(world, '{"id":1}', "a").key
    at(monkeypatch, now + claims.LEASE * 2)

    def one(_: int) -> str | None:
        try:
            return post(world, '{"id":1}', once="a").key
        except Underway:
            return None

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(16))) <= {key, None}
    assert world.keys("raw/") == {key}
    assert rows_of(world) == [1]


def test_of_two_heirs_who_found_the_same_claim_the_second_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(world)
    now = world.lake.now()
    claim_only(world, '{"id":1}', "a")
    folder = claims.folder_of(world.lake.project.datasets["readings"], "a")
    claim = claims.newest(world.lake, folder)
    assert claim is not None
    at(monkeypatch, now + claims.LEASE * 2)
    assert claims.successor(world.lake, folder, claim).generation == 2
    with pytest.raises(Underway):
        claims.successor(world.lake, folder, claim)


def test_a_claim_whose_answer_was_lost_is_still_ours(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(world)
    store = type(world.lake.store)
    claim = store.claim

    def lose(self: object, key: str, body: bytes) -> bool:
        claim(self, key, body)  # type: ignore[arg-type]
        return False

    monkeypatch.setattr(store, "claim", lose)
    landed = post(world, '{"id":1}', once="a")
    assert world.keys("raw/") == {landed.key}
    assert post(world, '{"id":1}', once="a") == landed
    assert post(world, '{"id":2}').accepted == 1
    assert rows_of(world) == [1, 2]


def test_claims_lie_in_the_lake_and_objects_in_raw(anywhere: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELET_RAW", f"{anywhere.uri}-raw")
    declared(anywhere)
    landed = post(anywhere, '{"id":1}', once="a")
    assert anywhere.keys() == {landed.key}
    assert {ref.key.split("/")[0] for ref in anywhere.lake.store.list("")} == {"landing"}
    assert rows_of(anywhere) == [1]
    assert post(anywhere, '{"id":1}', once="a") == landed


def test_a_claim_holds_no_value(world: World) -> None:
    declared(world)
    post(world, '[{"id":1,"note":"s3cr3t"},{"id":2,"note":"s3cr3t","amount":-5}]', once="s3cr3t", keep="good")
    for ref in world.lake.store.list("landing/"):
        assert "s3cr3t" not in ref.key
        assert b"s3cr3t" not in (world.lake.store.get(ref.key) or b"")


def test_an_idempotency_key_is_no_path(world: World) -> None:
    declared(world)
    for once in ("../../x", "/etc/passwd", "a/b", "é", "x" * 5000):
        assert post(world, '{"id":1}', once=once).key
    assert {path.relative_to(world.uri).parts[:2] for path in Path(world.uri, "landing").rglob("landed")} == {("landing", "readings")}


def test_ingest_takes_what_landed_as_any_object(world: World) -> None:
    declared(world)
    landed = post(world, '{"id":1}', once="a")
    (ref,) = world.lake.raw.list("raw/")
    for _ in range(2):
        ingest(world.lake, world.lake.project.datasets["readings"], [ref])
    assert landed.key
    assert world.values("select id from readings") == [1]
