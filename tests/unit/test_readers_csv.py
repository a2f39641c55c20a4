"""CSV: what is regular comes out exactly, what is not becomes one bad record in its place."""

import csv
import io
import random
from pathlib import Path

import duckdb
import pytest

from core import readers
from core.contract import Dataset
from tests.unit.test_readers_kit import dataset, prepare, read, rejected, rows, values
from tests.world import ORDERS, World

QUOTE = "a quote stands out of place"
ABC = dataset("csv", ["a", "b", "c"])


SECOND = "in a second table: the header stood there once more"


def judged(declared: Dataset, work: Path, content: bytes, *, careful: bool = False) -> list[tuple[str | None, str]]:
    """Return each record's problem and its text as it came."""
    (file,) = prepare(declared, work, content)
    found = rows(declared, [file], careful=careful)
    texts = dict(readers.raw_records(declared, file, range(1, len(found) + 1)))
    assert sorted(texts) == list(range(1, len(found) + 1))
    return [(row[1], texts[ordinal]) for ordinal, row in enumerate(found, 1)]


def test_a_header_alone_is_a_file_without_rows(tmp_path: Path) -> None:
    assert read(ABC, tmp_path, b"a,b,c\n") == read(ABC, tmp_path, b"a,b,c") == read(ABC, tmp_path, b'"a","b","c"\r\n\r\n') == []


def test_a_header_after_blank_lines_or_with_line_breaks_may_stand_alone_too(tmp_path: Path) -> None:
    assert read(ABC, tmp_path, b"\n\na,b,c\n") == read(dataset("csv", ["a\nb"]), tmp_path, b'"a\nb"') == []


def test_blank_lines_alone_are_an_empty_file(tmp_path: Path) -> None:
    assert rejected(ABC, tmp_path, b"\r\n\r\n").reason == "empty"


def test_columns_come_by_name_and_files_of_one_batch_may_order_them_each_their_own_way(tmp_path: Path) -> None:
    found = read(ABC, tmp_path, b"a,b,c\n1,2,3\n", b"c,a,b\n3,1,2\n", b'b,a,c\n"2",1,3\n')
    assert sorted(row[0] for row in found) == [0, 1, 2]
    assert {row[2:] for row in found} == {("1", "2", "3")}


def test_a_file_without_header_has_the_contract_s_columns_in_their_order(tmp_path: Path) -> None:
    assert values(dataset("csv", ["a", "b"], header=False), tmp_path, b"1,2\n3,4") == [("1", "2"), ("3", "4")]


def test_a_column_may_have_another_name_in_the_file(tmp_path: Path) -> None:
    assert values(dataset("csv", [{"name": "a", "from": "Größe (m)"}, "b"]), tmp_path, "b,Größe (m)\n1,2\n".encode()) == [("2", "1")]


@pytest.mark.parametrize("quoted", [b"", b'"q",5,6\n'])
def test_a_row_of_another_width_is_bad_and_its_neighbours_are_good(quoted: bytes, tmp_path: Path) -> None:
    content = b"a,b,c\n1,2,3\n4,5\n6,7,8,9\n1,2,3,\n1,2,3,4,5,6\n,,\n" + quoted
    assert judged(ABC, tmp_path, content)[:6] == [
        (None, "1,2,3"),
        ("too few fields: 2 instead of 3", "4,5"),
        ("too many fields: more than 3", "6,7,8,9"),
        ("too many fields: more than 3", "1,2,3,"),
        ("too many fields: more than 3", "1,2,3,4,5,6"),
        (None, ",,"),
    ]


def test_a_work_folder_that_looks_like_a_partition_adds_no_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELET_WORK", str(tmp_path / "f0=7"))
    world = World(tmp_path, str(tmp_path / "lake")).declare(ORDERS)
    world.put("raw/orders/a", "id,amount,placed\n1,1,\n")
    world.run()
    assert world.values("select id from orders") == [1]


def test_null_is_the_declared_text_quoted_or_not(tmp_path: Path) -> None:
    assert values(ABC, tmp_path, b'a,b,c\n,"",NULL\n') == [(None, None, "NULL")]
    assert values(dataset("csv", ["a", "b", "c"], null="NULL"), tmp_path, b'a,b,c\n,"NULL",NULL\n') == [("", None, None)]


def test_nothing_is_trimmed_or_commented_out(tmp_path: Path) -> None:
    assert values(ABC, tmp_path, b"a,b,c\n 1 ,\t,#3\n#x,\\,'\n") == [(" 1 ", "\t", "#3"), ("#x", "\\", "'")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("cell", [b"3", b'"3"'])
def test_records_end_by_any_newline(end: bytes, cell: bytes, tmp_path: Path) -> None:
    content = end.join([b"a,b,c", b"1,2," + cell, b"", b"4,5,6"])
    assert values(ABC, tmp_path, content) == values(ABC, tmp_path, content + end + end) == [("1", "2", "3"), ("4", "5", "6")]


@pytest.mark.parametrize("cell", [b"3", b'"3"'])
def test_newlines_may_be_mixed(cell: bytes, tmp_path: Path) -> None:
    content = b"a,b,c\r\n1,2," + cell + b"\n4,5,6\r7,8,9\r\n\r\n\n\r1,1,1"
    assert values(ABC, tmp_path, content) == [("1", "2", "3"), ("4", "5", "6"), ("7", "8", "9"), ("1", "1", "1")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_newlines_inside_quotes_are_kept_as_they_are(end: bytes, tmp_path: Path) -> None:
    content = end.join([b"a,b,c", b'1,"x\ny",3', b'4,"x\r\n\r\ny",6', b'7,"x\ry","\n"', b""])
    assert values(ABC, tmp_path, content) == [("1", "x\ny", "3"), ("4", "x\r\n\r\ny", "6"), ("7", "x\ry", "\n")]


def test_quotes_and_delimiters_inside_quotes_are_text(tmp_path: Path) -> None:
    assert values(ABC, tmp_path, b'a,b,c\n"1,2","say ""hi""",""""\n') == [("1,2", 'say "hi"', '"')]


def test_another_dialect_is_read_as_declared(tmp_path: Path) -> None:
    backslash = dataset("csv", ["a", "b"], delimiter=";", quote="'", escape="\\")
    assert values(backslash, tmp_path, b"a;b\n'it\\'s';'\\\\'\nc\\d;\"\n") == [("it's", "\\"), ("c\\d", '"')]
    unquoted = dataset("csv", ["a", "b"], delimiter="\t", quote="")
    assert values(unquoted, tmp_path, b'a\tb\n"1\t2"\n') == [('"1', '2"')]
    two = dataset("csv", ["a", "b"], delimiter="||")
    assert values(two, tmp_path, b'a||b\n1|2||"x||y"\n"1"||2\n') == [("1|2", "x||y"), ("1", "2")]
    no_escape = dataset("csv", ["a", "b"], escape="")
    assert judged(no_escape, tmp_path, b'a,b\n"1,1",2\n"1""1",2\n') == [(None, '"1,1",2'), (QUOTE, '"1""1",2')]


@pytest.mark.parametrize("delimiter", [" ", "n", "\x01", "\x02", "\x01\x02", "é", "|"])
@pytest.mark.parametrize("cell", ["2", '"2"', '2"'])
def test_any_delimiter_is_read(delimiter: str, cell: str, tmp_path: Path) -> None:
    content = "\n".join(delimiter.join(line) for line in (["a", "b", "c"], ["1", cell, ""], ["1"]))
    problem = None if cell != '2"' else QUOTE
    assert read(dataset("csv", ["a", "b", "c"], delimiter=delimiter), tmp_path, content.encode()) == [
        (0, problem, *(("1", "2", None) if problem is None else (None,) * 3)), (0, "too few fields: 1 instead of 3", "1", None, None)
    ]  # fmt: skip


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("header", [True, False])
def test_lines_before_the_first_row_are_left_out(end: bytes, header: bool, tmp_path: Path) -> None:
    """Whatever they hold: a quote that is never closed, a blank line."""
    lines = [b'Report of "May', b"", b"a,b,c" if header else b"", b"1,2,3", b'4,"5",6']
    declared = dataset("csv", ["a", "b", "c"], first_row=3, header=header)
    assert judged(declared, tmp_path, end.join(lines)) == [(None, "1,2,3"), (None, '4,"5",6')]
    assert values(declared, tmp_path, end.join(lines)) == [("1", "2", "3"), ("4", "5", "6")]
    assert rejected(dataset("csv", ["a", "b", "c"], first_row=9), tmp_path, end.join(lines)).reason == "empty"


def test_an_escape_that_escapes_nothing_is_not_guessed_at(tmp_path: Path) -> None:
    assert judged(dataset("csv", ["a", "b"], escape="\\"), tmp_path, b'a,b\n"x\\ny",2\n') == [(QUOTE, '"x\\ny",2')]


@pytest.mark.parametrize(
    "line", [b'1,x"y,3', b'1,"x"y,3', b'1, "x",3', b'1,"x,3', b'1,x",3', b'1,2,"', b'"""', b'1,"2"" ,3'], ids=lambda line: line.decode()
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_stray_quote_costs_one_row(line: bytes, end: bytes, tmp_path: Path) -> None:
    content = end.join([b"a,b,c", b"1,2,3", line, b"4,5,6", b'7,"8",9', b"0,0,0", b""])
    assert judged(ABC, tmp_path, content) == [(None, "1,2,3"), (QUOTE, line.decode()), (None, "4,5,6"), (None, '7,"8",9'), (None, "0,0,0")]
    assert [row[2:] for row in read(ABC, tmp_path, content)][1] == (None, None, None)


def test_a_bad_record_at_either_end_of_the_file_is_set_aside(tmp_path: Path) -> None:
    assert judged(ABC, tmp_path, b'a,b,c\n"1"x,2,3\n1,2,3\n4,5,"6') == [(QUOTE, '"1"x,2,3'), (None, "1,2,3"), (QUOTE, '4,5,"6')]


def test_a_bad_record_far_into_a_file_is_found_at_its_ordinal(tmp_path: Path) -> None:
    content = b"a,b,c\n" + b"1,2,3\n" * 150_000 + b'4,5"x,6\n' + b"\n7,8,9\r\n" * 70_000
    (file,) = prepare(ABC, tmp_path, content)
    found = rows(ABC, [file])
    assert [ordinal for ordinal, row in enumerate(found, 1) if row[1]] == [150_001]
    assert len(found) == 220_001
    assert dict(readers.raw_records(ABC, file, [150_001, 220_001])) == {150_001: '4,5"x,6', 220_001: "7,8,9"}


def test_lines_that_a_broken_cell_may_hold_are_set_aside_with_it(tmp_path: Path) -> None:
    content = b'a,b,c\n1,"one\ntwo words\n"three,3\n7,8,9\n'
    assert judged(ABC, tmp_path, content) == [(QUOTE, '1,"one\ntwo words\n"three,3'), (None, "7,8,9")]


def test_a_row_too_short_is_bad_with_all_its_quoted_lines(tmp_path: Path) -> None:
    assert judged(ABC, tmp_path, b'a,b,c\n1,"x\n4,5,6\ny"\n7,8,9\n') == [
        ("too few fields: 2 instead of 3", '1,"x\n4,5,6\ny"'),
        (None, "7,8,9"),
    ]


@pytest.mark.parametrize("again", [b"a,b,c", b'"a","b",c', b"c,a,b"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_what_follows_a_header_in_the_middle_is_a_second_table(again: bytes, end: bytes, tmp_path: Path) -> None:
    """Nobody can tell whether files were joined or another table begins; in another order its values would stand in other columns."""
    content = end.join([b"a,b,c", b'1,"x\ny",3', b'4"x,5,6', again, b"7,8,9", b"", b"a,b,c", b'4"x,5', b"a,b"])
    with pytest.raises(duckdb.Error, match="the header once more"):
        judged(ABC, tmp_path, content)
    told = [
        (None, '1,"x\ny",3'),
        (QUOTE, '4"x,5,6'),
        (SECOND, again.decode()),
        *((SECOND, text) for text in ("7,8,9", "a,b,c", '4"x,5', "a,b")),
    ]
    assert judged(ABC, tmp_path, content, careful=True) == told


def test_a_header_that_stands_twice_at_the_top_is_followed_by_its_rows(tmp_path: Path) -> None:
    again = ("the header once more", "a,b,c")
    assert judged(ABC, tmp_path, b'a,b,c\na,b,c\n"a",b,c\n1,2,3\n', careful=True) == [again, (again[0], '"a",b,c'), (None, "1,2,3")]
    assert judged(ABC, tmp_path, b"a,b,c\nb,a,c\n1,2,3\n", careful=True) == [(SECOND, "b,a,c"), (SECOND, "1,2,3")]


def test_a_header_where_none_should_be_is_no_row(tmp_path: Path) -> None:
    bare = dataset("csv", ["a", "b"], header=False)
    no_header = "a header, where the contract says that there is none"
    assert judged(bare, tmp_path, b"a,b\n1,2\n", careful=True) == [(no_header, "a,b"), (None, "1,2")]
    assert judged(bare, tmp_path, b"1,2\na,b\n1,2\n", careful=True) == [(None, "1,2"), (SECOND, "a,b"), (SECOND, "1,2")]


@pytest.mark.parametrize("careful", [False, True])
def test_names_alone_make_no_header(careful: bool, tmp_path: Path) -> None:
    lines = ["a,b,b", "a,b,", "a,b,c ", "a,a,a", "1,b,c"]
    assert judged(ABC, tmp_path, "\n".join(["a,b,c", *lines]).encode(), careful=careful) == [(None, line) for line in lines]


def test_a_text_may_be_its_column_s_name_but_a_number_may_not(tmp_path: Path) -> None:
    assert values(dataset("csv", ["word"]), tmp_path, b"word\na\nword\nb\n") == [("a",), ("word",), ("b",)]
    number = dataset("csv", [{"name": "n", "type": "bigint"}])
    assert judged(number, tmp_path, b"n\n1\nn\n2\n", careful=True) == [(None, "1"), (SECOND, "n"), (SECOND, "2")]


def test_a_second_table_costs_its_file_only(world: World) -> None:
    world.declare(ORDERS)
    lines = {"a": "1,1,\n", "b": "2,2,\nid,amount,placed\n3,3,\n", "c": "id,amount,placed\n4,4,\n", "d": '5,5"x,\n6,6,\n'}
    for name, text in lines.items():
        world.put(f"raw/orders/{name}.csv", f"id,amount,placed\n{text}")

    assert set(world.fates().values()) == {"loaded"}

    assert world.values("select id from orders order by id") == [1, 2, 4, 6]
    assert world.rows("select _row, reasons, raw from quarantine.orders order by _source, _row") == [
        {"_row": 2, "reasons": [SECOND], "raw": "id,amount,placed"},
        {"_row": 3, "reasons": [SECOND], "raw": "3,3,"},
        {"_row": 1, "reasons": ["the header once more"], "raw": "id,amount,placed"},
        {"_row": 1, "reasons": [QUOTE], "raw": '5,5"x,'},
    ]


@pytest.mark.parametrize("head", [b'\xef\xbb\xbf"a",b,c\n', b"\n\r\na,b,c\n", b"\n\na,b,c\n"])
def test_a_header_may_be_quoted_and_come_after_blank_lines_or_a_bom(head: bytes, tmp_path: Path) -> None:
    assert values(ABC, tmp_path, head + b"1,2,3\n") == [("1", "2", "3")]


def test_a_name_may_hold_a_line_break(tmp_path: Path) -> None:
    assert values(dataset("csv", ["a\nb", "c"]), tmp_path, b'"a\nb",c\n1,2\n') == [("1", "2")]


def test_a_header_with_a_stray_quote_is_refused(tmp_path: Path) -> None:
    assert rejected(ABC, tmp_path, b'a,b"x,c\n1,2,3\n').reason == "invalid_schema"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig", "utf-8"])
def test_text_is_decoded_as_declared(encoding: str, tmp_path: Path) -> None:
    content = "a,b,c\né,ü,ß\n".encode(encoding)
    assert values(dataset("csv", ["a", "b", "c"], encoding=encoding), tmp_path, content) == [("é", "ü", "ß")]


def test_an_undecodable_byte_is_refused_with_its_offset(tmp_path: Path) -> None:
    error = rejected(ABC, tmp_path, b"a,b,c\n" + b"x" * (1 << 20) + b"\xff,2,3\n")
    assert error.reason == "unreadable"
    assert error.found == f"an undecodable byte at offset {6 + (1 << 20)} in raw/orders/0"
    assert "offset 6" in rejected(ABC, tmp_path, b"a,b,c\n\xc3").found
    assert rejected(dataset("csv", ["a"], encoding="rot13"), tmp_path, b"a\n").reason == "unreadable"


def test_nul_bytes_and_unicode_separators_are_text(tmp_path: Path) -> None:
    assert values(ABC, tmp_path, "a,b,c\nx\0y,\u2028,\x1a\n".encode()) == [("x\0y", "\u2028", "\x1a")]


def test_long_lines_are_read_and_endless_ones_are_refused_without_their_text(tmp_path: Path) -> None:
    long = b"z" * (5 << 20)
    assert len(values(ABC, tmp_path, b"a,b,c\n1,2," + long + b"\n1,2,3\n")[0][2]) == 5 << 20
    (file,) = prepare(ABC, tmp_path, b"a,b,c\n1,2," + b'"' + b"z\n" * (10 << 20) + b'"\n1,2,3\n')
    with pytest.raises(Exception, match=r"(?i)maximum line size") as caught:
        rows(ABC, [file])
    for error in (readers.unreadable(ABC, file, caught.value), rejected(ABC, tmp_path, b"a,b,c\n1,2," + long * 4 + b"\n1,2,3\n")):
        assert (error.reason, error.expected) == ("too_large", "at most 16MiB (limits.record)")
        assert "zz" not in str(error)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\r\n"])
@pytest.mark.parametrize("quote", [b"", b'"'])
def test_an_endless_last_line_is_refused_and_not_lost(quote: bytes, end: bytes, tmp_path: Path) -> None:
    """DuckDB drops it from a parallel scan (issue 25825)."""
    error = rejected(ABC, tmp_path, b"a,b,c\n1,2,3\n" + quote + b"z" * (33 << 20) + quote + b",2,3" + end)
    assert (error.reason, error.expected) == ("too_large", "at most 16MiB (limits.record)")


@pytest.mark.parametrize("seed", range(60))
def test_any_regular_file_comes_out_as_it_was_written(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    end, always = dice.choice(["\n", "\r\n", "\r"]), dice.random() < 0.5
    cells = ["x", "é", '"', '"', "\n", "\r\n", ",", " ", "", "'", "\\"]
    written = [["".join(dice.choices(cells, k=dice.randint(0, 4))) for _ in range(3)] for _ in range(dice.randint(0, 30))]
    quoted = [
        [f'"{cell.replace(chr(34), chr(34) * 2)}"' if always or set(cell) & set('",\r\n') else cell for cell in row] for row in written
    ]
    content = end.join([",".join(row) for row in [["a", "b", "c"], *quoted]]) + dice.choice(["", end])
    assert values(ABC, tmp_path, content.encode()) == [tuple(cell or None for cell in row) for row in written]


@pytest.mark.parametrize("seed", range(60))
def test_whatever_breaks_a_file_its_good_rows_say_what_their_text_says_and_no_text_is_lost(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    body = "".join(f'{n},"x{n}{dice.choice(["", chr(10), chr(34) * 2])}",z\n' if n % 3 else f"{n},y,z\n" for n in range(12))
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(body))
        body = body[:at] + dice.choice(['"', "\n", "\r", ",", "\\", ""]) + body[at + dice.randint(0, 1) :]
    (file,) = prepare(ABC, tmp_path, b"a,b,c\n" + body.encode())
    found = rows(ABC, [file])
    texts = dict(readers.raw_records(ABC, file, range(1, len(found) + 1)))
    assert "".join(texts.values()).replace("\r", "").replace("\n", "") == body.replace("\r", "").replace("\n", "")
    for ordinal, row in enumerate(found, 1):
        if row[1] is None:
            (fields,) = csv.reader(io.StringIO(texts[ordinal], newline=""), strict=True)
            assert row[2:] == tuple(field or None for field in fields)
