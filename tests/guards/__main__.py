"""`python -m tests.guards [NAME ...]`: take each guard out in turn and see that a test goes red. Exits 1 where one is not missed."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from tests.guards.guard import Guard, problems
from tests.guards.removal import Copy, Seen
from tests.guards.table import GUARDS
from tests.page import PAGE, with_part

AT_ONCE: Final = 2
T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> None:
    """Prove the guards that are asked for, all by default; write docs/reliability.md when all were taken out and all were missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.guards", description="Take each guard out and see a test go red.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="guards whose name holds this; all by default")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    asked = parser.parse_args(arguments)
    chosen = tuple(guard for guard in GUARDS if not asked.names or any(name in guard.name for name in asked.names))
    if wrong := problems(GUARDS) or ([] if chosen else ["no guard of that name"]):
        sys.exit("\n".join(f"guards: {problem}" for problem in wrong))
    seen = prove(chosen, _tell)
    if asked.json:
        print(json.dumps([{"guard": guard.name, "file": guard.file, **vars(seen[guard.name])} for guard in chosen], indent=2))
    else:
        print("\n".join(_line(guard, seen[guard.name]) for guard in chosen))
    kept = [guard.name for guard in chosen if seen[guard.name].verdict != "red"]
    _tell(f"{len(chosen) - len(kept)} of {len(chosen)} guards are missed by a test{': not ' if kept else ''}{', '.join(kept)}")
    if kept:
        sys.exit(1)
    if chosen == GUARDS:
        PAGE.write_text(with_part(PAGE.read_text("utf-8"), "guards", table(seen)), "utf-8")


def prove(guards: Sequence[Guard], tell: Callable[[str], None]) -> dict[str, Seen]:
    """Run all their tests with every guard in place, then each guard's tests without it; return what was seen, by guard."""
    tests = sorted({test for guard in guards for test in guard.ids})
    shares = [tests[number::AT_ONCE] for number in range(min(AT_ONCE, len(tests)))]
    with TemporaryDirectory(prefix="guards-") as home, ThreadPoolExecutor(AT_ONCE) as pool:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(AT_ONCE):
            copies.put(Copy(Path(home, str(number))))

        def without(guard: Guard) -> Seen:
            wrong = sorted(test for test in failing if guard.names(test))
            found = Seen("broken", 0, wrong[0], "it fails anyway") if wrong else _lent(copies, lambda copy: copy.without(guard))
            tell(f"{found.verdict:<6} {found.seconds:5.1f} s  {guard.name}")
            return found

        try:
            tell(f"{len(tests)} tests with every guard in place")
            failing = frozenset[str]().union(*pool.map(lambda share: _lent(copies, lambda copy: copy.whole(share)), shares))
            tell(f"{len(guards)} guards, taken out one after another")
            return dict(zip((guard.name for guard in guards), pool.map(without, guards), strict=True))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _lent(copies: "SimpleQueue[Copy]", use: Callable[[Copy], T]) -> T:
    copy = copies.get()
    try:
        return use(copy)
    finally:
        copies.put(copy)


def _line(guard: Guard, seen: Seen) -> str:
    told = seen.test.removeprefix("tests/") if seen.verdict == "red" else f"{seen.test} {seen.said}".strip() or "every test is green"
    return f"{seen.verdict:<6}  {guard.file}  {guard.name}\n        {told}"


def table(seen: dict[str, Seen]) -> list[str]:
    """Return the page's lines: what each guard keeps from happening, where it stands, and the test that failed without it."""
    lines = [f"{len(GUARDS)} guards, each missed by a test:", "", "| guard | why | where | the test that goes red |", "|---|---|---|---|"]
    for guard in GUARDS:
        test = seen[guard.name].test.partition("::")[2].partition("[")[0]
        lines.append(f"| {guard.name.replace('-', ' ')} | {guard.why} | `{guard.file}` | `{test}` |")
    return lines


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
