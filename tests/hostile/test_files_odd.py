"""What lies in a folder and is no file that rests: pipes, devices, links, sparse files, and files that change while they are read."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from core import enforce
from core.loading import Ingested
from tests.faults.oracle import assert_sound
from tests.hostile.alone import Loader
from tests.hostile.figures import FIGURES
from tests.hostile.files import CSV, deliver
from tests.world import ORDERS, World

GOOD: Final = b"id,amount\n1,x\n"


def a_socket(path: Path) -> None:
    """Bind by a short name: a socket's path has at most 108 bytes."""
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


NO_FILES: Final[Mapping[str, tuple[Callable[[Path], object], str]]] = {
    "a pipe": (os.mkfifo, "a pipe"),
    "a socket": (a_socket, "a socket"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "a link to a pipe": (lambda path: path.symlink_to("a pipe"), "a pipe"),
}


def test_what_is_no_file_stays_where_it_is_and_is_named(alone: Loader, tmp_path: Path) -> None:
    told = deliver(alone, tmp_path, CSV, {name: make for name, (make, _) in NO_FILES.items()}, patience=20)
    for name, (_, kind) in NO_FILES.items():
        assert told.fates[name] == f"gone object raw/odd/{name}: expected a file; found {kind}. Take it out of raw."
        assert os.path.lexists(tmp_path / "lake" / "raw" / "odd" / name)
    FIGURES.count("no files", "pipes, sockets, devices", len(NO_FILES))


def test_links_and_folders_cost_nobody_anything(alone: Loader, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_bytes(GOOD)
    odd: dict[str, Callable[[Path], object]] = {
        "link": lambda path: path.symlink_to(outside),
        "nowhere": lambda path: path.symlink_to("nowhere at all"),
        "loop": lambda path: path.symlink_to("loop"),
        "up": lambda path: path.symlink_to(".."),
        "folder.csv": lambda path: path.mkdir(),
        "no name.csv": lambda path: (path.mkdir(), (path / "a.csv").write_bytes(b"id,amount\n2,y\n")),
    }
    told = deliver(alone, tmp_path, CSV, odd, patience=20)
    assert told.fates == {"link": "loaded", "no name.csv/a.csv": "loaded"}
    assert (told.rows("link"), told.rows("no name.csv/a.csv")) == ([(1, "x")], [(2, "y")])
    FIGURES.count("no files", "links and folders", len(odd))


def test_a_file_of_a_tb_that_holds_nothing_is_set_aside_unread(alone: Loader, tmp_path: Path) -> None:
    def sparse(path: Path) -> None:
        with path.open("wb") as file:
            file.write(GOOD)
            file.truncate(1 << 40)

    told = deliver(alone, tmp_path, CSV, {"m": sparse}, patience=20)
    assert told.fates["m"] == "rejected too_large"
    assert told.report("m")["found"] == "1 TiB in raw/odd/m"
    assert not told.world.keys("raw/")
    FIGURES.count("no files", "sparse")


def test_an_object_of_s3_that_is_too_large_is_not_fetched(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.conftest import bucket

    world = World(tmp_path, bucket(s3_endpoint, monkeypatch))
    world.declare(ORDERS.replace("format: csv", "format: csv, limits: {size: 100B}"))
    keys = ["raw/orders/a.csv", "raw/orders/large.csv", "raw/orders//large.csv", "raw/orders/z.csv"]
    for number, key in enumerate(keys):
        world.put(key, f"id,amount,placed\n{number},,\n" + "9,,\n" * 50 * ("large" in key))
    assert world.fates() == {key: "rejected: too_large" if "large" in key else "loaded" for key in keys}
    assert sorted(world.values("select id from orders")) == [0, 3]
    assert not world.keys("raw/")
    assert_sound(world, "orders")
    FIGURES.count("no files", "larger than is declared", 2)


# --- while it is read ------------------------------------------------------------------------------------------------------------------

HEADER: Final = "id,amount,placed\n"
ROWS: Final = HEADER + "".join(f"{number},1,2025-01-01\n" for number in range(5_000))


def grow(path: Path) -> None:
    with path.open("a") as file:
        file.write("70000,1,2025-01-01\n")


def shrink(path: Path) -> None:
    os.truncate(path, len(HEADER) + 6)


def replace(path: Path) -> None:
    other = path.with_name(".other")
    other.write_text(HEADER + "80000,1,2025-01-01\n")
    other.replace(path)


CHANGES: Final[Mapping[str, tuple[Callable[[Path], object], str, int]]] = {
    "grows": (grow, "loaded", 5_001),
    "shrinks": (shrink, "loaded", 0),
    "is replaced": (replace, "loaded", 5_000),
    "vanishes": (Path.unlink, "loaded", 5_000),
}
"""What happens to a file, what becomes of it, and how many rows of it are there in the end."""


@pytest.mark.parametrize("stage", ["prepare", "enforce"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_read_is_loaded_as_one_of_its_versions(
    world: World, monkeypatch: pytest.MonkeyPatch, change: str, stage: str
) -> None:
    world.declare(ORDERS)
    bodies = {"a": HEADER + "60001,,\n", "m": ROWS, "z": HEADER + "60002,,\n"}
    for name, body in bodies.items():
        world.put(f"raw/orders/{name}.csv", body)
    act, fate, rows = CHANGES[change]
    real, left = getattr(enforce, stage), [act]

    def do(*arguments: Any) -> Any:
        done = real(*arguments) if stage == "prepare" else None
        if left:
            left.pop()(world.home / "lake" / "raw" / "orders" / "m.csv")
        return done if stage == "prepare" else real(*arguments)

    monkeypatch.setattr(f"core.enforce.{stage}", do)
    steps = [step for step in world.run() if isinstance(step, Ingested)]
    assert {outcome.object.key[-5:-4]: outcome.fate for step in steps for outcome in step.objects} == dict.fromkeys("amz", fate)
    assert not left
    assert sorted(world.values("select id from orders where id in (60001, 60002)")) == [60001, 60002]
    assert world.values("select count(*) from orders where _source like '%/m.csv@%'") == [rows]
    assert_sound(world, "orders")
    FIGURES.count("no files", "changed while they are read")
