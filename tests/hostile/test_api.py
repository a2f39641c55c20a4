"""The HTTP API under requests that schemathesis draws from the API's own document, every check on, over real HTTP.

Twice over: by the document as it is served, which tells of a record no more than that it is an object; and by the same document with the
schema of a dataset's records put in, as `GET /v1/datasets/{dataset}` tells it, so that records are drawn which land.
"""

import copy
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import pytest
import schemathesis
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig
from schemathesis.config._checks import NEGATIVE_DATA_REJECTION_EXPECTED_STATUSES
from schemathesis.engine import events, from_schema

from handlers.http import KEY as ONCE
from handlers.http import KINDS
from tests.figures import LONG
from tests.hostile.figures import FIGURES
from tests.hostile.gateway import KEY
from tests.hostile.served import Served

EVERY: Final = set(CHECKS.get_all_names())
SEEDS: Final = range(1, 4) if LONG else range(1, 2)
DRAWN: Final = 60 if LONG else 8
FRESH: Final = "x-keys-are-fresh"
STATEFUL: Final = 10 if LONG else 1
MEDIA: Final = KINDS if LONG else ("application/json",)

AS_SERVED: Final = {"positive_data_acceptance": {"expected-statuses": ["2xx", "404", "415", "422"]}}
"""By the served document any object is a record, lines are any text, and answers lead to datasets that no records can be posted to."""

TOLD: Final = {"negative_data_rejection": {"expected-statuses": [*NEGATIVE_DATA_REJECTION_EXPECTED_STATUSES, "202"]}}
"""A record's schema asks for the plainest way to say a value; its contract takes others, a number in quotes, and any value as a text."""

CHECKED: Final = {**AS_SERVED, **TOLD}
"""And a record of the right shape may break a check, or come with a key that was used for others."""


@schemathesis.serializer("application/x-ndjson", "application/ndjson", "application/jsonl")
def lines(_: Any, value: Any) -> bytes:
    """Write records one a line; what is a text already is sent as it is."""
    if isinstance(value, str | bytes):
        return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return "\n".join(json.dumps(one) for one in (value if isinstance(value, list) else [value])).encode()


@dataclass
class Seen:
    """What a run did: requests by answer, checks by how often they were asked, and what failed."""

    answers: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def drawn(api: Served, document: Mapping[str, Any], checks: Mapping[str, Any], seed: int) -> Seen:
    """Run every phase by a document: what is named in it, what lies at its edges, what is drawn, and what follows from answers."""
    settings = {
        "base-url": api.gateways[0].url,
        "auth": {"openapi": {"key": {"api_key": KEY}}},
        "generation": {"max-examples": DRAWN, "database": "none", "deterministic": False},
        "phases": {"stateful": {"generation": {"max-examples": STATEFUL}}},
        "checks": {"max_response_time": 20, **checks},
        "continue-on-failure": True,
        "seed": seed,
    }
    schema = schemathesis.openapi.from_dict(copy.deepcopy(dict(document)), config=SchemathesisConfig.from_dict(settings))
    seen = Seen()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _note(seen, event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            seen.errors.append(str(vars(event) if hasattr(event, "__dict__") else event))
    return seen


@schemathesis.hook
def before_call(_: Any, case: schemathesis.Case, __: dict[str, Any]) -> None:
    """Give each request an idempotency key of its own: that it was not used before for others is what no schema can ask for."""
    key = str(case.headers.get("Idempotency-Key", "")) if case.headers else ""
    if FRESH in case.operation.schema.raw_schema and re.fullmatch(ONCE, key):
        case.headers["Idempotency-Key"] = f"{key[:200]}{uuid4()}"


def _note(seen: Seen, event: events.ScenarioFinished) -> None:
    for interaction in event.recorder.interactions.values():
        seen.answers[str(interaction.response.status_code if interaction.response else "none")] += 1
    for case, checks in event.recorder.checks.items():
        response = event.recorder.interactions[case].response
        for check in checks:
            seen.checks[check.name] += 1
            if check.failure_info:
                told = response.text[:1000] if response else ""
                seen.failures.append(f"{check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample[:2000]}\n{told}")


def told_of(api: Served, dataset: str) -> dict[str, Any]:
    """Return the served document with what the API tells of a dataset's records in the place of `an object`."""
    document: dict[str, Any] = api.ask("GET", "/openapi.json").body
    record = api.ask("GET", f"/v1/datasets/{dataset}").body["record_schema"]
    post = document["paths"]["/v1/datasets/{dataset}/records"]["post"]
    post["parameters"][0]["schema"]["enum"] = [dataset]
    del document["paths"]["/v1/datasets"]  # what it answers leads to other datasets' records
    record = {name: part for name, part in record.items() if name not in ("$schema", "title")}
    many = {"type": "array", "items": record, "minItems": 1}
    schemas = {media: {"anyOf": [record, many]} if media == "application/json" else many for media in MEDIA}
    post["requestBody"]["content"] = {media: {"schema": schema} for media, schema in schemas.items()}
    return document


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_document_tells_is_what_is_answered(api: Served, seed: int) -> None:
    seen = drawn(api, api.ask("GET", "/openapi.json").body, AS_SERVED, seed)
    assert not seen.errors, seen.errors[0]
    assert not seen.failures, "\n\n".join(seen.failures[:20])
    assert set(seen.checks) >= EVERY, EVERY - set(seen.checks)
    FIGURES.count("http", "drawn", seen.answers.total())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dataset", ["notes", "readings"] if LONG else ["notes"])
def test_what_is_told_of_a_record_is_what_lands(api: Served, dataset: str, seed: int) -> None:
    if dataset == "notes":
        seen = drawn(api, {**told_of(api, dataset), FRESH: True}, TOLD, seed)
    else:
        seen = drawn(api, told_of(api, dataset), CHECKED, seed)
    assert not seen.errors, seen.errors[0]
    assert not seen.failures, "\n\n".join(seen.failures[:20])
    assert seen.answers["202"] > 0
    FIGURES.count("http", "drawn", seen.answers.total())


def test_after_all_of_it_the_lake_holds_what_was_accepted_once_and_nothing_else(api: Served) -> None:
    requests = api.assert_exactly_what_was_accepted()
    assert requests > (2_000 if LONG else 300)
