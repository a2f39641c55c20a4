"""Files of each format, written so that a test says every byte of a value: JSON tokens as they stand, XLSX cells as their XML."""

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

STYLES = {"general": 0, "day": 14, "moment": 22, "time": 21, "duration": 46, "text": 49, "percent": 9}
"""Names of number formats -> Excel's built-in ones."""


def csv_file(texts: Iterable[str | None], *, delimiter: str = ",", newline: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    """Return a CSV of (id, v), quoted as Python's csv module does."""
    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=delimiter, lineterminator=newline, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([("id", "v"), *enumerate(texts)])
    return sink.getvalue().encode()


def jsonl_file(tokens: Iterable[str]) -> bytes:
    """Return JSON Lines of {id, v} whose values are these very tokens."""
    return "".join(f'{{"id": {n}, "v": {token}}}\n' for n, token in enumerate(tokens)).encode("utf-8", "surrogatepass")


def json_file(tokens: Iterable[str]) -> bytes:
    """Return the same as one JSON array."""
    return b"[" + jsonl_file(tokens).rstrip(b"\n").replace(b"}\n{", b"},\n{") + b"]"


def string(text: str | None) -> str:
    """Return a JSON string's token."""
    return json.dumps(text, ensure_ascii=False)


def parquet_file(values: "pa.Array | pa.ChunkedArray", **options: object) -> bytes:
    """Return a Parquet file of (id, v)."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": pa.array(range(len(values)), pa.int64()), "v": values}), sink, **options)
    return sink.getvalue().to_pybytes()


# --- XLSX ----------------------------------------------------------------------------------------------------------------------------


def text(value: str) -> str:
    """Return a cell that holds a text."""
    return f'<c r="AT" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


def number(written: str, style: str = "general") -> str:
    """Return a cell that holds a number, written with these digits."""
    return f'<c r="AT" s="{list(STYLES).index(style)}"><v>{written}</v></c>'


def cell(kind: str, value: str, formula: str = "") -> str:
    """Return a cell of one of XLSX's own types: b, e, d, str."""
    told = f"<f>{formula}</f>" if formula else ""
    return f'<c r="AT" t="{kind}">{told}<v>{value}</v></c>'


def xlsx_file(cells: Sequence[str], *, since_1904: bool = False) -> bytes:
    """Return a workbook of (id, v); each cell is XML, '' leaves it out."""
    rows = [[text("id"), text("v")], *([number(str(n)), found] for n, found in enumerate(cells))]
    lines = [
        f'<row r="{n}">' + "".join(found.replace("AT", f"{'AB'[place]}{n}", 1) for place, found in enumerate(row)) + "</row>"
        for n, row in enumerate(rows, 1)
    ]
    formats = "".join(f'<xf numFmtId="{code}" applyNumberFormat="1"/>' for code in STYLES.values())
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    related = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="a" Type="{related}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="a" Type="{related}/worksheet" '
        f'Target="worksheets/sheet1.xml"/><Relationship Id="b" Type="{related}/styles" Target="styles.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{related}"><workbookPr date1904="{int(since_1904)}"/>'
        '<sheets><sheet name="Sheet1" sheetId="1" r:id="a"/></sheets></workbook>',
        "xl/styles.xml": f"<styleSheet {main}><cellXfs>{formats}</cellXfs></styleSheet>",
        "xl/worksheets/sheet1.xml": f"<worksheet {main}><sheetData>{''.join(lines)}</sheetData></worksheet>",
    }
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + content)
    return sink.getvalue()


def strings(texts: Iterable[str | None]) -> "pa.Array":
    """Return a Parquet column of texts."""
    return pa.array(list(texts), pa.string())


def is_xml(value: str) -> bool:
    """Whether XML can hold a text as it is: no control characters, no carriage return, and not what XLSX takes for an escape."""
    return not any((char < " " and char not in "\t\n") or char == "\uffff" for char in value) and "_x" not in value and value != ""


def is_json(value: str) -> bool:
    """Whether a text is a token of JSON."""
    try:
        json.loads(value)
    except ValueError:
        return False
    return "\\ud8" not in value
