"""The API's OpenAPI document: what Powertools reads off the routes, completed by what only the project and the gateway know."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from pydantic import BaseModel, ConfigDict, Field

import core
from core.contract import Dataset
from core.lake import Lake
from core.land import unpostable
from core.land.bodies import MOST_RECORDS
from handlers.http import KEY, KINDS, MOST_BYTES

REQUEST_ID: Final = "8f5a2c1e-6f0b-4c1d-9a57-1c7d2f3e4b5a"
KEY_OF_EXAMPLE: Final = "raw/iot/2026/11/20/20261120T100000000000Z-0b6f3c1d2e4f5a6b7c8d9e0f1a2b3c4d.json"


class Error(BaseModel):
    """What went wrong: what it concerns, what was expected, what was found, what to do."""

    code: str
    message: str
    expected: str = Field(default_factory=str)
    found: str = Field(default_factory=str)
    remedy: str = Field(default_factory=str)
    request_id: str = Field(description="Names the request in the log.")


class Failure(BaseModel):
    """The one shape of an error."""

    error: Error


class Receipt(BaseModel):
    """What was said of one record, by its place in the request, from 0."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"record": 1, "accepted": False, "violations": ["device_id: required"]}]})

    record: int = Field(ge=0)
    accepted: bool
    violations: list[str] = Field(default_factory=list, description="Why it is refused, named as the quarantine names it.")
    warnings: list[str] = Field(default_factory=list, description="Checks that it breaks and is loaded all the same.")
    omitted: int = Field(default_factory=int, ge=1, description="Violations for which the answer had no room.")


class Landing(BaseModel):
    """Records that are durable in raw, and will be loaded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dataset": "sensor_readings",
                    "key": KEY_OF_EXAMPLE,
                    "records": 1,
                    "accepted": 1,
                    "receipts": [{"record": 0, "accepted": True}],
                }
            ]
        }
    )

    dataset: str
    key: str = Field(description="The raw object.")
    records: int = Field(ge=1)
    accepted: int = Field(ge=1)
    receipts: list[Receipt] = Field(description="One for each record.")
    unchecked: list[str] = Field(default_factory=list, description="Checks that look into a table which was never loaded: asked later.")


class Refusal(BaseModel):
    """Records of which none landed, and every violation of each that is refused."""

    error: Error
    dataset: str
    records: int = Field(ge=1)
    accepted: Literal[0]
    receipts: list[Receipt] = Field(description="One for each record that is refused.")


class Summary(BaseModel):
    """A dataset, and how its table stands."""

    dataset: str
    description: str
    pipeline: str
    format: str
    postable: bool = Field(description="Whether records can be posted to it.")
    version: int | None = Field(description="The table's version; null before the first load.")
    rows: int = Field(ge=0)
    committed: str | None = Field(description="When the table last changed.", json_schema_extra={"format": "date-time"})
    newest: str | None = Field(description="When the newest object that rows come from arrived.", json_schema_extra={"format": "date-time"})


class Datasets(BaseModel):
    """Every dataset, by name."""

    datasets: list[Summary]


class Detail(Summary):
    """A dataset as it is declared."""

    quarantined: int = Field(ge=0, description="Rows in quarantine.<dataset>.")
    contract: dict[str, Any] = Field(description="The declaration.")
    record_schema: dict[str, Any] = Field(default_factory=dict, description="JSON Schema of a record, its checks aside.")


class Health(BaseModel):
    """The project loads and the lake's store answers."""

    status: Literal["ok"]
    datasets: int = Field(ge=0)
    version: str


class Document(BaseModel):
    """OpenAPI 3.1."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


class Message(BaseModel):
    """What the gateway itself answers."""

    message: str


MEANS: Final[Mapping[int, str]] = {
    400: "The body is no JSON (the message says where), or a parameter is not what it may be.",
    401: "No credentials; answered by the gateway.",
    403: "Not authorized; answered by the gateway.",
    404: "No such dataset; the remedy names one that is like it.",
    409: "The same request is being worked on: send it again, unchanged, after Retry-After seconds.",
    413: f"More than {MOST_BYTES:,} bytes or {MOST_RECORDS:,} records, or than can be judged at once; above 10 MB answered by the gateway.",
    415: "Not JSON or JSON Lines in UTF-8, or a dataset whose files are of another format.",
    422: "Records break the contract and nothing landed, or the Idempotency-Key was used for other records.",
    429: "Too many requests; answered by the gateway.",
    500: "Ours to mend; the log knows more by the request_id. Without one it is the gateway's: nobody can be authorized at the moment.",
    503: "The lake does not answer: try again after Retry-After seconds. Else it is the gateway's: no function was free, or in time.",
}
BY_GATEWAY: Final = (401, 403, 429)
BY_EITHER: Final = (413, 500, 503)
SAID: Final[Mapping[int, Any]] = {
    422: Refusal | Failure,
    **dict.fromkeys(BY_GATEWAY, Message),
    **dict.fromkeys(BY_EITHER, Failure | Message),
}
RETRY: Final = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}}


def responses(status: int, description: str, model: type[BaseModel], *failures: int) -> dict[int, Any]:
    """Return what a route may answer: its own answer, its failures, and those that every route has."""
    found: dict[int, Any] = {status: {"description": description, "content": {"application/json": {"model": model}}}}
    for failure in (*failures, *BY_GATEWAY, 500, 503):
        said: Any = SAID.get(failure, Failure)
        found[failure] = {"description": MEANS[failure], "content": {"application/json": {"model": said}}}
        if failure in (409, 503):
            found[failure]["headers"] = RETRY
    return found


GUARDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "iam": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4, service execute-api.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The key from Secrets Manager."},
}
"""How a gateway may guard the API; which of them does is told by the request that asks for the document."""


def document(app: APIGatewayHttpResolver, lake: Lake, guard: str) -> dict[str, Any]:
    """Return the document as JSON has it; `guard` names the scheme by which the request that asks for it was authorized, or ''."""
    made = app.get_openapi_schema(
        title="Lakelet",
        version=core.__version__,
        description="Post records to datasets; they are checked against their contracts at once, and loaded by ingest.",
    )
    told: dict[str, Any] = made.model_dump(mode="json", by_alias=True, exclude_none=True)
    schemas = told["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(unused, None)
    told["components"]["securitySchemes"] = {name: dict(scheme) for name, scheme in GUARDS.items()}
    if guard:
        told["security"] = [{guard: []}]
    _complete(told["paths"], lake)
    return told


def _complete(paths: dict[str, Any], lake: Lake) -> None:
    """Add what the functions' signatures do not say: which datasets there are, the body, the parameters."""
    datasets = sorted(lake.project.datasets.values(), key=lambda dataset: dataset.name)
    postable = [dataset for dataset in datasets if unpostable(lake.project, dataset) is None]
    post = paths["/v1/datasets/{dataset}/records"]["post"]
    _name(post, postable)
    _name(paths["/v1/datasets/{dataset}"]["get"], datasets)
    post["parameters"] += PARAMETERS
    post["requestBody"] = BODY


def _name(operation: dict[str, Any], datasets: list[Dataset]) -> None:
    if datasets:
        operation["parameters"][0]["schema"]["enum"] = [dataset.name for dataset in datasets]


PARAMETERS: Final = [
    {
        "name": "partial",
        "in": "query",
        "description": "Whether good records land where others are refused; else all or nothing.",
        "schema": {"type": "boolean", "default": False},
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key and records again are the same object and the same answer, for 30 days. A key is its caller's own: "
        "the user's or role's under IAM; all who share a secret API key are one caller.",
        "schema": {"type": "string", "pattern": f"^{KEY}$", "minLength": 1, "maxLength": 255},
    },
]

RECORD: Final = {"type": "object", "description": "One record: GET /v1/datasets/{dataset} has its contract and its schema."}
RECORDS: Final = {"anyOf": [RECORD, {"type": "array", "items": RECORD, "minItems": 1}]}
LINES: Final = {"type": "string", "minLength": 2, "description": "One JSON object a line."}
BODY: Final = {
    "description": f"At most {MOST_BYTES:,} bytes and {MOST_RECORDS:,} records, in UTF-8. Numbers keep every digit.",
    "required": True,
    "content": {media: {"schema": RECORDS if kind == "json" else LINES} for media, kind in KINDS.items()},
}
