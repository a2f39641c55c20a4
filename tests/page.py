"""The pages of docs/ that tell what tests measured: each writer between its own pair of marks, the rest of a page is by hand."""

import re
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[1] / "docs" / "reliability.md"
HOSTILE: Final = PAGE.with_name("hostile-input.md")


def write(page: Path, name: str, lines: list[str]) -> None:
    """Write a part of a page."""
    page.write_text(with_part(page.read_text("utf-8"), name, lines), "utf-8")


def with_part(page: str, name: str, lines: list[str]) -> str:
    """Return the page with what stands between `<!-- name -->` and `<!-- /name -->` replaced by these lines."""
    part = "\n".join([f"<!-- {name} -->", *lines, f"<!-- /{name} -->"])
    written, times = re.subn(rf"<!-- {name} -->\n.*?<!-- /{name} -->", lambda _: part, page, count=1, flags=re.DOTALL)
    assert times == 1, f"the page has no <!-- {name} -->"
    return written
