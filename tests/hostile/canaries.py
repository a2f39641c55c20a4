"""Canaries: unique words, each put into one place, and where they may be found afterwards. Declarations and files; runs nothing."""

import base64
import gzip
import io
import json
import random
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from xlsxwriter import Workbook

TYPES: Final = {
    "bigint": "{}", "integer": "{}", "decimal": "{}", "double": "{}", "boolean": "{}", "date": "{}", "timestamp": "{}", "day": "{}",
    "document": "{{{}", "list": '["{}"]', "struct": '{{"a": "{}"}}',
}  # fmt: skip
"""Columns, and how a canary sits in a text that is none of the column's type."""

COLUMNS: Final = """
columns:
  - {name: id, type: bigint, required: true}
  - {name: bigint, type: bigint}
  - {name: integer, type: integer}
  - {name: decimal, type: "decimal(12,2)"}
  - {name: double, type: double}
  - {name: boolean, type: boolean}
  - {name: date, type: date}
  - {name: timestamp, type: timestamp}
  - {name: day, type: date, format: "%d.%m.%Y"}
  - {name: document, type: json}
  - {name: list, type: "bigint[]"}
  - {name: struct, type: "struct(a bigint)"}
  - {name: word}
  - {name: number, type: bigint, sql: "cast(case when word like 'n%' then word end as bigint)"}
checks:
  - {name: no_x, sql: "word not like 'x%'"}
  - {name: no_error, sql: "case when word like 'e%' then cast(word as bigint) > 0 else true end"}
  - {name: never, sql: "word not like 'f%'", action: fail}
  - {name: seldom, sql: "word not like 'w%'", action: warn}
"""
NAMES: Final = ("id", *TYPES, "word")


def wide(name: str, source: str) -> str:
    return f"dataset: {name}\nsource: {{path: raw/{name}/, {source}}}{COLUMNS}target: {{path: processed/{name}/}}\n"


DATASETS: Final = {
    "csv": wide("csv", "format: csv"),
    "json": wide("json", "format: json"),
    "jsonl": wide("jsonl", "format: jsonl"),
    "stream": wide("stream", "format: json, options: {layout: concatenated}"),
    "xlsx": wide("xlsx", "format: xlsx"),
    "parquet": wide("parquet", "format: parquet"),
    "words": """
dataset: words
source: {path: raw/words/, format: csv}
columns: [{name: id, type: bigint}, {name: word}, {name: large, type: bigint}]
key: [id]
expect: [{name: once, unique: [word], action: alert}, {name: few, nulls: {word: 0}, action: alert}]
target: {path: processed/words/, mode: merge, partition_by: [word]}
exports: [{path: exports/words/, format: csv, partition_by: [word]}]
""",
    "looking": """
dataset: looking
source: {path: raw/looking/, format: csv}
columns: [{name: id, type: bigint}, {name: word}]
checks: [{name: known, sql: "cast(word as bigint) in (select id from words)"}]
target: {path: processed/looking/}
""",
}  # fmt: skip

FAILING: Final = {
    "cast": "select cast(word as integer) as a from words",
    "error": "select error(word) as a from words",
    "sentence": "select error('Conversion Error: Could not convert string x to INT32 when casting from column ' || word) as a from words",
    "excerpt": "select error(e'no\\n\\nLINE 1: ' || word || e'\\n        ^') as a from words",
    "date": "select cast(word as date) as a from words",
    "timestamp": "select cast(word as timestamptz) as a from words",
    "strptime": "select strptime(word, '%Y') as a from words",
    "uuid": "select cast(word as uuid) as a from words",
    "json": "select json_extract(word, '$.a') as a from words",
    "json_strict": """select json_transform_strict('{"a": "' || word || '"}', '{"a": "INTEGER"}') as a from words""",
    "zone": "select timezone(word, timestamptz '2020-01-01') as a from words",
    "part": "select date_part(word, date '2020-01-01') as a from words",
    "base64": "select from_base64(word || '*') as a from words",
    "pattern": "select regexp_matches('a', word || '(') as a from words",
    "overflow": "select large * large as a from words",
    "tiny": "select cast(large as tinyint) as a from words",
    "decimal": "select cast(large as decimal(4, 1)) as a from words",
    "codepoint": "select chr(cast(large % 1000000000000 as integer)) as a from words",
    "list": "select [1, 2][cast(word as integer)] as a from words",
    "struct": "select cast(word as struct(a integer)) as a from words",
    "blob": "select cast('\\x' || word as blob) as a from words",
    "subquery": "select (select word from words union all select word from words) as a",
    "interval": "select date '2020-01-01' + cast(word as interval) as a from words",
    "boolean": "select cast(word as boolean) as a from words",
    "late": "select id, cast(word as double) as a from words order by a",
    "grouped": "select sum(cast(word as double)) as a from words group by word",
}  # fmt: skip
"""Transforms whose SQL fails at a row of `words`."""


def transform(name: str) -> str:
    return f"transform: t_{name}\nsql: t_{name}.sql\nwhen: any_input\ntarget: {{path: gold/{name}/}}\n"


@dataclass(frozen=True)
class Canary:
    """A word in one place. `dataset` holds it, in its quarantine or its table; `key` is the object that is rejected for it."""

    place: str
    word: str
    dataset: str = ""
    key: str = ""

    def found_in(self, text: bytes) -> bool:
        lowered = text.lower()
        return any(form.lower() in lowered for form in forms(self.word))


def forms(word: str) -> set[bytes]:
    """Return how a word may be written: plain, for an address, in hexadecimal, in UTF-16, and in base64 wherever in its text it begins."""
    plain = word.encode()
    coded = {base64.b64encode(b"x" * n + plain + b"xxx")[(2, 3, 4)[n] if n else 0 : -6] for n in range(3)}
    return {plain, quote(word, safe="").encode(), plain.hex().encode(), word.encode("utf-16-le"), *coded}


@dataclass
class Flock:
    """All canaries, and the objects and requests that carry them."""

    canaries: list[Canary] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    posts: list[tuple[str, str, str]] = field(default_factory=list)
    """(dataset, content type, body)"""
    source: random.Random = field(default_factory=lambda: random.Random(20261120))

    def word(self, place: str, dataset: str = "", key: str = "", first: str = "k") -> str:
        word = f"{first}anary" + "".join(self.source.choices("bcdfghjklmnpqrstvwxz", k=14))
        self.canaries.append(Canary(place, word, dataset, key))
        return word

    def number(self, place: str, dataset: str = "") -> int:
        number = self.source.randint(2 * 10**18, 9 * 10**18)
        self.canaries.append(Canary(place, str(number), dataset))
        return number


def rows(flock: Flock, where: str, dataset: str) -> list[dict[str, Any]]:
    """Return a record for each type with a canary that is not of it, and one for each rule that is broken."""
    found = [
        {"id": str(n), column: text.format(flock.word(f"{where}: a {column}", dataset))} for n, (column, text) in enumerate(TYPES.items())
    ]
    found.append({"word": flock.word(f"{where}: beside a required value that is missing", dataset)})
    for first, rule in {"n": "a computed column", "x": "a check", "e": "a check that fails", "w": "a warning"}.items():
        found.append({"id": "90", "word": flock.word(f"{where}: {rule}", dataset, first=first)})
    return found


def flock() -> Flock:
    """Return all canaries."""
    flock = Flock()
    _csv(flock)
    _json(flock)
    _xlsx(flock)
    _parquet(flock)
    _words(flock)
    for kind, media in (("json", "application/json"), ("jsonl", "application/x-ndjson")):
        records = [json.dumps(record) for record in rows(flock, f"posted as {kind}", "")]
        flock.posts.append((kind, media, f"[{', '.join(records)}]" if kind == "json" else "\n".join(records)))
    flock.posts.append(("json", "application/json", '{{"id": 1, "word": "{}'.format(flock.word("posted: a torn body"))))
    flock.posts.append(("json", "application/json", '[{{"id": {}}}]'.format(flock.word("posted: no JSON"))))
    flock.posts.append(("jsonl", "application/x-ndjson", flock.word("posted: a line that is no JSON")))
    flock.posts.append(("json", "application/json", '{{"id": 1, "id": "{}"}}'.format(flock.word("posted: a key that stands twice"))))
    flock.posts.append(("json", "application/json", '{{"id": 1, "unknown": "{}"}}'.format(flock.word("posted: an unknown key's value"))))
    return flock


def table(records: list[dict[str, Any]]) -> list[list[Any]]:
    return [list(NAMES), *([record.get(name) for name in NAMES] for record in records)]


def as_csv(lines: list[list[Any]]) -> bytes:
    cells = [[str(cell if cell is not None else "") for cell in line] for line in lines]
    return "".join(
        ",".join('"{}"'.format(cell.replace('"', '""')) if '"' in cell else cell for cell in line) + "\n" for line in cells
    ).encode()


def _csv(flock: Flock) -> None:
    def rejected(name: str, place: str, first: str = "k") -> str:
        return flock.word(f"CSV: {place}", "csv", f"raw/csv/{name}.csv", first)

    width = len(NAMES)
    flock.objects["raw/csv/rows.csv"] = (
        as_csv(table(rows(flock, "CSV", "csv")))
        + (
            f"1,{flock.word('CSV: too few fields', 'csv')}\n"
            f"1{',' * width}{flock.word('CSV: too many fields', 'csv')}\n"
            f'1{"," * (width - 1)}a"{flock.word("CSV: a stray quote", "csv")}\n'
        ).encode()
    )
    header = ",".join(NAMES)
    row = f"1{',' * (width - 1)}"
    flock.objects["raw/csv/fail.csv"] = f"{header}\n{row}{rejected('fail', 'a check that rejects', 'f')}\n".encode()
    flock.objects["raw/csv/latin.csv"] = f"{header}\n{row}{rejected('latin', 'bad encoding')}".encode() + b"\xe9\n"
    flock.objects["raw/csv/headless.csv"] = f"{rejected('headless', 'no header')}{',7' * (width - 1)}\n".encode()
    twice = rejected("twice", "no header, a value twice")
    flock.objects["raw/csv/twice.csv"] = f"{twice},{twice}{',7' * (width - 2)}\n".encode()
    flock.objects["raw/csv/preamble.csv"] = f"Report of {rejected('preamble', 'a preamble')}\n{header}\n{row}a\n".encode()
    flock.objects["raw/csv/open.csv"] = f'{header}\n{row}"{flock.word("CSV: an open quote")}\n'.encode()
    unknown = rejected("unknown", "an unknown column's value")
    flock.objects["raw/csv/unknown.csv"] = f"{header},more\n{row}a,{unknown}\n".encode()
    torn = gzip.compress(f"{header}\n{row}{rejected('torn', 'a torn gzip')}\n".encode())
    flock.objects["raw/csv/torn.csv"] = torn[:-9]


def _json(flock: Flock) -> None:
    def rejected(kind: str, name: str, place: str) -> str:
        return flock.word(f"{kind}: {place}", kind, f"raw/{kind}/{name}.json")

    for kind in ("json", "jsonl", "stream"):
        texts = [json.dumps(record) for record in rows(flock, kind, kind)]
        texts.append('{{"id": 1, "word": "{}", "word": "a"}}'.format(flock.word(f"{kind}: a key twice", kind)))
        texts.append('{{"id": 1, "more": "{}"}}'.format(flock.word(f"{kind}: an unknown key's value", kind)))
        texts.append('{{"id": 1, "word": "{}", "double": NaN}}'.format(flock.word(f"{kind}: NaN", kind)))
        joined = {"json": "[{}]".format(",\n".join(texts)), "jsonl": "\n".join(texts), "stream": "".join(texts)}[kind]
        flock.objects[f"raw/{kind}/rows.json"] = joined.encode()
    flock.objects["raw/jsonl/lines.json"] = (
        f'{{"id": 1}}\n{{"id": 2, "word": {flock.word("jsonl: no JSON", "jsonl")}}}\n"{flock.word("jsonl: no object", "jsonl")}"\n'.encode()
    )
    flock.objects["raw/json/torn.json"] = ('[{{"id": 1, "word": "{}"}}, {{"id": '.format(rejected("json", "torn", "a torn array"))).encode()
    flock.objects["raw/json/bare.json"] = ('[{{"id": 1, "word": {}}}]'.format(rejected("json", "bare", "a bare word"))).encode()
    flock.objects["raw/json/latin.json"] = (
        '[{{"id": 1, "word": "{}'.format(rejected("json", "latin", "bad encoding"))
    ).encode() + b'\xe9"}]'
    flock.objects["raw/stream/bare.json"] = ('{{"id": 1}}{{"word": {}}}'.format(rejected("stream", "bare", "a bare word"))).encode()


def _xlsx(flock: Flock) -> None:
    flock.objects["raw/xlsx/rows.xlsx"] = workbook(table(rows(flock, "XLSX", "xlsx")))
    word = flock.word("XLSX: no header", "xlsx", "raw/xlsx/headless.xlsx")
    flock.objects["raw/xlsx/headless.xlsx"] = workbook([[word] * len(NAMES)])
    word = flock.word("XLSX: torn", "xlsx", "raw/xlsx/torn.xlsx")
    flock.objects["raw/xlsx/torn.xlsx"] = workbook([list(NAMES), [word] * len(NAMES)])[:-30]


def workbook(lines: list[list[Any]]) -> bytes:
    sink = io.BytesIO()
    with Workbook(sink) as book:
        sheet = book.add_worksheet("Sheet")
        for row, line in enumerate(lines):
            for column, cell in enumerate(line):
                if cell is not None:
                    sheet.write_string(row, column, str(cell))
    return sink.getvalue()


def parquet(lines: list[list[Any]], compression: str = "zstd") -> bytes:
    sink = io.BytesIO()
    columns = {name: pa.array([line[n] for line in lines[1:]], pa.string()) for n, name in enumerate(lines[0])}
    pq.write_table(pa.table(columns), sink, compression=compression)
    return sink.getvalue()


def _parquet(flock: Flock) -> None:
    flock.objects["raw/parquet/rows.parquet"] = parquet(table(rows(flock, "Parquet", "parquet")))
    word = flock.word("Parquet: torn", "parquet", "raw/parquet/torn.parquet")
    flock.objects["raw/parquet/torn.parquet"] = parquet([list(NAMES), [word] * len(NAMES)], "none")[:-12]


def _words(flock: Flock) -> None:
    partition = flock.word("a partition's value, and each transform", "words")
    large = flock.number("a number that overflows", "words")
    flock.objects["raw/words/1.csv"] = f"id,word,large\n1,{partition},{large}\n2,{partition},1\n3,,1\n".encode()
    gone = flock.word("a row that another replaces")
    flock.objects["raw/words/0.csv"] = f"id,word,large\n1,{gone},1\n".encode()
    seen = flock.word("a check that looks elsewhere and fails")
    flock.objects["raw/looking/1.csv"] = f"id,word\n1,{seen}\n".encode()


OURS: Final = ("raw/", "archived/", "rejected/", "processed/", "quarantine/", "gold/", "exports/")
"""Where rows may lie."""


def told(key: str, body: bytes) -> bytes:
    """Return what of an object tells about rows, and may hold none: all of it but for rows, and the names and statistics of files."""
    if "/_delta_log/" in key and key.endswith(".json"):
        actions = [json.loads(line) for line in body.splitlines()]
        return json.dumps([action for action in actions if not action.keys() & {"add", "remove"}]).encode()
    is_theirs = key.startswith(OURS) and not key.endswith(".report.json") and not (key.startswith("exports/") and key.endswith(".json"))
    return b"" if is_theirs else body
