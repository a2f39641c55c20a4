"""ApiFunction: records in, receipts out; what datasets there are and how they stand. HTTP API, payload 2.0, one route for all paths."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.params import Path

import core
from core.contract import Dataset
from core.errors import LakeError, Transient
from core.lake import Lake
from core.land import CUTTERS, land
from handlers import datasets, openapi
from handlers.answers import Answer, sent, to_error, to_landed
from handlers.http import BadRequest, checked, keep_of, kind_of, once_of, shown, text_of
from handlers.observe import logger, observed
from handlers.work import lake_for, opened

app: Final = APIGatewayHttpResolver()
DatasetName = Annotated[str, Path(description="The dataset's name.")]


@observed
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one request; whatever it holds, the answer is JSON of a shape that /openapi.json tells."""
    try:
        checked(event)
    except BadRequest as error:
        told = sent(to_error(error, str(context.aws_request_id)))
        return {"statusCode": told.status_code, "headers": told.headers, "cookies": [], "body": told.body, "isBase64Encoded": False}
    http = event["requestContext"]["http"]
    logger.append_keys(method=shown(http["method"]), path=shown(event["rawPath"]))
    if http["method"].upper() != "HEAD":
        return app.resolve(event, context)
    asked = {**event, "requestContext": {**event["requestContext"], "http": {**http, "method": "GET"}}}
    return {**app.resolve(asked, context), "body": ""}


def post_records(dataset: DatasetName) -> Response[str]:
    event, lake = app.current_event.raw_event, _lake()
    declared = _declared(lake, dataset)
    kind, keep, once = kind_of(event), keep_of(event), once_of(event)
    records = CUTTERS[kind](text_of(event))
    return sent(to_landed(land(lake, declared, records, keep=keep, once=once), _request_id()))


def get_datasets() -> Response[str]:
    return sent(Answer(200, {"datasets": datasets.listed(_lake())}))


def get_dataset(dataset: DatasetName) -> Response[str]:
    lake = _lake()
    declared = _declared(lake, dataset)
    return sent(Answer(200, datasets.detail(lake, declared), told={"dataset": declared.name}))


def get_health() -> Response[str]:
    try:
        lake = _lake()
        next(iter(lake.store.list("landing/health/")), None)  # the one verb that tells a bucket that is gone from an object that is
    except LakeError as error:
        raise Transient("health", found=str(error)) from error
    return sent(Answer(200, {"status": "ok", "datasets": len(lake.project.datasets), "version": core.__version__}))


def get_openapi() -> Response[str]:
    authorized = app.current_event.raw_event["requestContext"].get("authorizer") or {}
    return sent(Answer(200, _document("iam" if "iam" in authorized else "key" if "lambda" in authorized else "")))


@cache
def _document(guard: str) -> dict[str, Any]:
    return openapi.document(app, opened(), guard)


def failed(error: Exception) -> Response[str]:
    return sent(to_error(error, _request_id()))


def not_found(_: NotFoundError) -> Response[str]:
    """Answer a path or a method that no route has."""
    path, method = app.current_event.path, app.current_event.http_method.upper()
    known = {route for rule, (route, *_) in ROUTES.items() if re.fullmatch(re.sub("<[a-z]+>", "[^/]+", rule), path)}
    if not known or method in known:
        error = BadRequest(404, "no_such_path", "the path", expected=f"one of {', '.join(ROUTES)}", found=shown(path) or "nothing")
        return sent(to_error(error, _request_id()))
    allowed = ", ".join(sorted({"OPTIONS", *known, *(["HEAD"] if "GET" in known else [])}))
    if method == "OPTIONS":
        return sent(Answer(204, {}, {"Allow": allowed}))
    error = BadRequest(405, "method_not_allowed", "the method", expected=allowed, found=shown(method), headers={"Allow": allowed})
    return sent(to_error(error, _request_id()))


def _lake() -> Lake:
    return lake_for(app.lambda_context)


def _request_id() -> str:
    return str(app.lambda_context.aws_request_id)


def _declared(lake: Lake, name: str) -> Dataset:
    if name in lake.project.datasets:
        return lake.project.datasets[name]
    near = get_close_matches(name[:100], list(lake.project.datasets), 1)
    remedy = f"Did you mean {near[0]}?" if near else "GET /v1/datasets lists them."
    raise BadRequest(404, "no_such_dataset", "the dataset", expected="one that is declared", found=shown(name), remedy=remedy)


ROUTES: Final[dict[str, tuple[str, Callable[..., Response[str]], str, dict[int, Any]]]] = {
    "/v1/datasets/<dataset>/records": (
        "POST",
        post_records,
        "Land records: one object, an array, or JSON Lines",
        openapi.responses(202, "The records are durable in raw.", openapi.Landing, 400, 404, 409, 413, 415, 422),
    ),
    "/v1/datasets": ("GET", get_datasets, "List the datasets", openapi.responses(200, "Every dataset.", openapi.Datasets)),
    "/v1/datasets/<dataset>": ("GET", get_dataset, "Tell about a dataset", openapi.responses(200, "The dataset.", openapi.Detail, 404)),
    "/health": ("GET", get_health, "Ask whether it works", openapi.responses(200, "It does.", openapi.Health)),
    "/openapi.json": ("GET", get_openapi, "Get this document", openapi.responses(200, "The document.", openapi.Document)),
}

app.exception_handler(Exception)(failed)
app.not_found(not_found)
for rule, (method, route, summary, answers) in ROUTES.items():
    app.route(rule, method, summary=summary, responses=answers, operation_id=route.__name__)(route)
