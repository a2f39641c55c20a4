"""Parquet files that lie: good ones with their footers' numbers changed, and what a library would not write."""

import base64
import io
import struct
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

ROWS: Final = 1000


def written(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def good(rows: int = ROWS) -> pa.Table:
    """Return rows of (id, v): n and the text of n % 50."""
    return pa.table({"id": pa.array(range(rows), pa.int64()), "v": [str(n % 50) for n in range(rows)]})


def one(value: pa.Array) -> bytes:
    """Return a file of (id, v) with these values."""
    return written(pa.table({"id": pa.array(range(len(value)), pa.int64()), "v": value}))


def footer(content: bytes) -> int:
    """Return where a file's footer begins."""
    return len(content) - 8 - int(struct.unpack_from("<I", content, len(content) - 8)[0])


def with_footer_length(length: int) -> bytes:
    content = bytearray(written(good()))
    struct.pack_into("<I", content, len(content) - 8, length)
    return bytes(content)


def varint(number: int) -> bytes:
    """Return a number as Thrift's compact protocol writes it."""
    number, out = number << 1, b""
    while number >= 128:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def with_count(which: set[int], count: int) -> bytes:
    """Return a file of 1,000 rows in whose footer some of the counts are others: 0 the file's, 1 and 3 its columns', 5 its row group's."""
    content = bytearray(written(good(), use_dictionary=False, compression="none", write_statistics=False, data_page_size=1 << 30))
    before, after, at = varint(ROWS), varint(count), footer(content) - 1
    for place in range(6):
        at = content.index(before, at + 1)
        if place in which:
            content[at : at + len(before)] = after
    return bytes(content)


def with_statistics(least: int, most: int) -> bytes:
    """Return a file of ids 1000 to 1002 whose statistics say that they are others."""
    table = pa.table({"id": pa.array([1000, 1001, 1002], pa.int64()), "v": ["a", "b", "c"]})
    content = bytearray(written(table, use_dictionary=False, compression="none"))
    start = footer(content)
    told = bytes(content[start:])
    for before, after in ((1000, least), (1002, most)):
        assert struct.pack("<q", before) in told
        told = told.replace(struct.pack("<q", before), struct.pack("<q", after))
    return bytes(content[:start]) + told


def with_arrow_schema(schema: str) -> bytes:
    """Return a good file whose metadata tells of another schema for Arrow."""
    return written(good().replace_schema_metadata({"ARROW:schema": schema}), store_schema=False)


def lying_schema(**kinds: pa.DataType) -> str:
    return base64.b64encode(pa.schema(list(kinds.items())).serialize().to_pybytes()).decode()


def nested(levels: int) -> bytes:
    kind: pa.DataType = pa.int64()
    for _ in range(levels):
        kind = pa.list_(kind)
    return written(pa.schema([("id", pa.int64()), ("v", kind)]).empty_table())


def no_text(dictionary: bool) -> bytes:
    """Return a file with a text that is no UTF-8."""
    buffers = pa.array([b"\xff\xfe", b"ok"]).buffers()
    table = pa.table({"id": [1, 2], "v": pa.Array.from_buffers(pa.string(), 2, buffers)})
    return written(table, use_dictionary=dictionary)


def bomb(codec: str, megabytes: int) -> bytes:
    """Return a file of that many megabytes of zeros in one page, packed."""
    table = pa.table({"id": range(megabytes), "v": ["\0" * 1_000_000] * megabytes})
    return written(table, compression=codec, use_dictionary=False, write_statistics=False, data_page_size=1 << 31)


def with_indices_beyond() -> bytes:
    """Return a file whose dictionary has 50 values and whose pages refer to others: the bits of all indices are set."""
    content = bytearray(written(good(), compression="none", use_dictionary=["v"], write_statistics=False))
    column = pq.read_metadata(io.BytesIO(bytes(content))).row_group(0).column(1)
    end = column.dictionary_page_offset + column.total_compressed_size
    content[end - 300 : end] = b"\xff" * 300
    return bytes(content)


def with_page_size(size: int) -> bytes:
    """Return a file whose first page says that it is of another size."""
    content = bytearray(written(good(), compression="none", use_dictionary=False, write_statistics=False))
    at = pq.read_metadata(io.BytesIO(bytes(content))).row_group(0).column(0).data_page_offset
    told = bytes(content[at + 2 : at + 3])
    assert told == b"\x15", "the field of the page's size"
    end = at + 4
    while content[end - 1] & 128:
        end += 1
    return bytes(content[: at + 3]) + varint(size)[: end - at - 3].ljust(end - at - 3, b"\x7f") + bytes(content[end:])
