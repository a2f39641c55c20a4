"""What is found out about SQL is remembered beside the project, and only that: never what is wrong, never by rules that have changed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core import remembered
from core.declarations import load, read
from core.errors import InvalidProject
from core.project import tables_in
from core.pruning import Condition, conditions
from core.remembered import FILE
from tests.world import ORDERS, World

SOLD = "transform: sold\nsql: sold.sql\nwhen: any_input\ntarget: {path: gold/sold/}\n"
QUERY = "select id, sum(amount) as amount from orders where amount between 1 and 2 and id in (3, 4) group by id"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(remembered, "_answers", {})
    World(tmp_path, str(tmp_path / "lake")).declare(ORDERS).declare(SOLD, sold=QUERY)
    return tmp_path / "project"


def modules_of(code: str) -> set[str]:
    """Return what a new process has imported after some code."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_a_project_that_was_read_before_is_read_without_the_parser(project: Path) -> None:
    code = f"from pathlib import Path; from core.declarations import load; load(Path({str(project)!r}))"
    assert "sqlglot" in modules_of(code)
    assert "sqlglot" not in modules_of(code)
    asked = f"{code}; from core.pruning import conditions; assert conditions({QUERY!r})"
    assert "sqlglot" not in modules_of(asked), "a run asks for them, too"


def test_what_is_remembered_is_what_was_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(project)
    wanted = conditions(QUERY)
    monkeypatch.setattr(remembered, "_answers", {})
    again = load(project)
    assert again.transforms["sold"].inputs == first.transforms["sold"].inputs == ("orders",)
    assert again.order == first.order
    assert (
        conditions(QUERY)
        == wanted
        == {"orders": (Condition("amount", "between", ("1", "2"), False), Condition("id", "in", ("3", "4"), False))}
    )


def test_another_query_is_looked_at_anew(project: Path) -> None:
    load(project)
    (project / "shop" / "sold.sql").write_text("select * from order", "utf-8")
    with pytest.raises(InvalidProject, match="order"):
        load(project)


def test_what_is_wrong_is_found_again_each_time(project: Path) -> None:
    (project / "shop" / "sold.sql").write_text("select * from read_csv('s3://lake/../other/key')", "utf-8")
    for _ in range(2):
        assert "leads out of the lake" in str(read(project).problems)
    assert not (project / FILE).exists()


def test_what_is_no_longer_asked_is_forgotten(project: Path) -> None:
    load(project)
    before = json.loads((project / FILE).read_text("utf-8"))
    (project / "shop" / "sold.sql").write_text("select 1 as one from orders", "utf-8")
    load(project)
    after = json.loads((project / FILE).read_text("utf-8"))
    assert len(after) == len(before)
    assert after.keys() != before.keys()


def test_other_rules_answer_anew(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(project)
    kept = set(json.loads((project / FILE).read_text("utf-8")))
    monkeypatch.setattr(remembered, "_rules", lambda: "others")
    monkeypatch.setattr(remembered, "_answers", {})
    load(project)
    assert kept.isdisjoint(json.loads((project / FILE).read_text("utf-8")))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"what": "else"}'])
def test_a_file_that_is_damaged_is_made_anew(project: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    load(project)
    sound = (project / FILE).read_bytes()
    (project / FILE).write_bytes(content)
    monkeypatch.setattr(remembered, "_answers", {})
    load(project)
    assert (project / FILE).read_bytes() == sound


def test_a_folder_that_cannot_be_written_is_read_all_the_same(project: Path) -> None:
    (project / ".lakelet").write_text("in the way", "utf-8")
    assert load(project).transforms["sold"].inputs == ("orders",)


def test_questions_beyond_the_most_are_answered_and_forgotten(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST", 3)
    load(project)
    assert [tables_in(f"from t{n}") for n in range(5)] == [(f"t{n}",) for n in range(5)]
    assert len(remembered._answers) == 3
