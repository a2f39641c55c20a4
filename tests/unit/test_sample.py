"""Samples: what is written for which key, that the same seed gives the same bytes, and that the project's own samples all work."""

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastexcel
import pyarrow.parquet as pq
import pytest

from core import declarations
from core.contract import Dataset
from core.errors import Terminal
from core.sample import WRITERS, Sample, sample
from core.source import FORMATS

PIPELINES = Path(__file__).parents[2] / "pipelines"
QUERY = "select i as a, 'x' || i as b from range($rows) as numbers(i)"

Make = Callable[..., tuple[dict[str, bytes], tuple[Sample, ...]]]


def dataset(form: str = "csv", **options: Any) -> Dataset:
    return Dataset.model_validate(
        {
            "dataset": "things",
            "source": {"path": "raw/things/", "format": form, "options": options},
            "columns": [{"name": "a"}],
            "target": {"path": "processed/things/"},
        }
    )


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write files below samples/ and return every object that `sample` puts, with what it returns."""

    def make(files: dict[str, str | bytes], owner: Dataset | None = None, *, rows: int = 3, seed: int = 1) -> Any:
        for name, content in files.items():
            file = tmp_path / "pipeline" / "samples" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        objects: dict[str, bytes] = {}

        def put(key: str, file: Path) -> None:
            objects[key] = file.read_bytes()

        made = sample(tmp_path / "pipeline", rows=rows, seed=seed, owner=lambda _: owner, put=put, work=tmp_path / "work")
        assert list((tmp_path / "work").iterdir()) == []
        return objects, made

    return make


def test_every_format_of_a_contract_has_a_writer() -> None:
    assert set(WRITERS) == set(FORMATS)


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (dataset("csv"), b"a,b\n0,x0\n1,x1\n"),
        (dataset("csv", delimiter=";", header=False), b"0;x0\n1;x1\n"),
        (dataset("jsonl"), b'{"a":0,"b":"x0"}\n{"a":1,"b":"x1"}\n'),
        (dataset("json", layout="lines"), b'{"a":0,"b":"x0"}\n{"a":1,"b":"x1"}\n'),
        (dataset("json", layout="concatenated"), b'{"a":0,"b":"x0"}{"a":1,"b":"x1"}'),
    ],
    ids=["csv", "csv-dialect", "jsonl", "json-lines", "json-concatenated"],
)
def test_rows_are_written_in_the_format_of_the_dataset_that_owns_the_key(make: Make, owner: Dataset, expected: bytes) -> None:
    objects, made = make({"raw/things/1.sql": QUERY}, owner, rows=2)
    assert objects == {"raw/things/1": expected}
    assert made == (Sample("raw/things/1", 2, len(expected)),)


def test_a_json_array_is_one_document(make: Make) -> None:
    objects, _ = make({"raw/things/1.json.sql": QUERY}, dataset("json"), rows=2)
    assert json.loads(objects["raw/things/1.json"]) == [{"a": 0, "b": "x0"}, {"a": 1, "b": "x1"}]


def test_a_record_with_a_line_break_stays_one_record_when_concatenated(make: Make) -> None:
    objects, _ = make({"raw/things/1.sql": "select 'x' || chr(10) || 'y' as a from range(2)"}, dataset("json", layout="concatenated"))
    assert objects["raw/things/1"] == rb'{"a":"x\ny"}{"a":"x\ny"}'


def test_parquet_keeps_types(make: Make, tmp_path: Path) -> None:
    objects, _ = make({"raw/things/1.parquet.sql": QUERY}, dataset("parquet"))
    file = tmp_path / "1.parquet"
    file.write_bytes(objects["raw/things/1.parquet"])
    assert pq.read_table(file).to_pylist() == [{"a": n, "b": f"x{n}"} for n in range(3)]


def test_a_csv_file_has_its_first_row(make: Make) -> None:
    objects, _ = make({"raw/things/1.csv.sql": "select 1 as n"}, dataset("csv", first_row=3))
    assert objects["raw/things/1.csv"] == b"\n\nn\n1\n"


def test_a_workbook_has_its_sheet_its_first_row_and_typed_cells(make: Make) -> None:
    times = "date '2026-11-01' as d, timestamp '2026-11-01 10:30:00' as t"
    query = f"select 1 as n, 2.50::decimal(9,2) as price, {times}, null as nothing, true as yes"
    objects, _ = make({"raw/things/1.xlsx.sql": query}, dataset("xlsx", sheet="Data", first_row=3))
    book = fastexcel.read_excel(objects["raw/things/1.xlsx"])
    assert book.sheet_names == ["Data"]
    header = book.load_sheet("Data", header_row=None, dtypes="string").to_arrow().to_pylist()
    assert list(header[-2].values()) == ["n", "price", "d", "t", "nothing", "yes"]
    assert list(header[-1].values()) == ["1", "2.5", "2026-11-01 00:00:00", "2026-11-01 10:30:00", None, "true"]


def test_a_single_column_named_line_or_text_is_written_verbatim(make: Make) -> None:
    objects, made = make(
        {"raw/things/1.sql": """select unnest(['{"a":1}', '{"a"']) as line""", "raw/things/2.sql": "select unnest(['a', 'b']) as text"}
    )
    assert objects == {"raw/things/1": b'{"a":1}\n{"a"\n', "raw/things/2": b"ab"}
    assert [one.rows for one in made] == [2, 2]


def test_a_key_that_ends_in_gz_is_compressed(make: Make) -> None:
    objects, made = make({"raw/things/1.csv.gz.sql": QUERY}, dataset(), rows=1)
    assert gzip.decompress(objects["raw/things/1.csv.gz"]) == b"a,b\n0,x0\n"
    assert made[0].bytes == len(objects["raw/things/1.csv.gz"])


def test_other_files_are_copied_byte_by_byte(make: Make) -> None:
    objects, made = make({"raw/things/broken.xlsx": b"PK\x03\x04\x00\xff", "raw/things/late.gz": b"\x1f\x8b"})
    assert objects == {"raw/things/broken.xlsx": b"PK\x03\x04\x00\xff", "raw/things/late.gz": b"\x1f\x8b"}
    assert [(one.rows, one.bytes) for one in made] == [(0, 6), (0, 2)]


def test_rows_are_split_among_objects_in_their_order(make: Make) -> None:
    query = "select format('hour={}/part', i % 2) as _object, i as a from range(5) as numbers(i) order by i desc"
    objects, made = make({"raw/things/all.sql": query}, dataset())
    assert objects == {"raw/things/hour=0/part": b"a\n4\n2\n0\n", "raw/things/hour=1/part": b"a\n3\n1\n"}
    assert [one.rows for one in made] == [3, 2]


def test_a_sample_that_no_dataset_owns_is_refused_by_its_key(make: Make) -> None:
    with pytest.raises(Terminal, match=r"raw/elsewhere/1\.csv: no dataset"):
        make({"raw/elsewhere/1.csv.sql": QUERY})


def test_a_query_that_fails_is_named_by_its_file(make: Make) -> None:
    with pytest.raises(Terminal, match=r"1\.csv\.sql: the sample's query fails.*nowhere"):
        make({"raw/things/1.csv.sql": "from nowhere"}, dataset())


def test_draw_depends_on_name_row_and_seed_alone(make: Make) -> None:
    query = "select draw('a', i, 1000) as a, draw('b', i, 1000) as b from range(5) as numbers(i)"
    first, again, other = (make({"raw/things/1.sql": query}, dataset(), seed=seed)[0]["raw/things/1"] for seed in (1, 1, 2))
    assert first == again != other
    numbers = [tuple(map(int, line.split(b","))) for line in first.splitlines()[1:]]
    assert all(a != b and 0 <= a < 1000 for a, b in numbers)


@pytest.mark.parametrize("pipeline", sorted(path.name for path in PIPELINES.iterdir() if (path / "samples").is_dir()))
def test_the_pipelines_samples_are_the_same_each_time_and_reach_every_dataset(pipeline: str, tmp_path: Path) -> None:
    declared = declarations.load(PIPELINES)

    def once(seed: int) -> tuple[dict[str, str], tuple[Sample, ...]]:
        objects: dict[str, str] = {}

        def put(key: str, file: Path) -> None:
            assert key not in objects
            objects[key] = hashlib.sha256(file.read_bytes()).hexdigest()

        return objects, sample(PIPELINES / pipeline, rows=50, seed=seed, owner=declared.match, put=put, work=tmp_path)

    objects, made = once(1)
    owners = [declared.match(key) for key in objects]
    assert {owner.name for owner in owners if owner} == {name for name, one in declared.datasets.items() if one.pipeline == pipeline}
    assert None not in owners
    assert sum(one.rows for one in made) >= 50
    assert once(1) == (objects, made)
    assert once(2)[0] != objects
