"""The HTTP API: an HTTP request becomes a payload 2.0 event, the function's answer an HTTP response. moto keeps APIs, it answers for none.

Lambda authorizers are asked. IAM authorization is not checked, nothing is throttled.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from werkzeug.wrappers import Request, Response

from infra.local.cloud import Cloud
from infra.local.functions import Answer
from infra.local.lambdas import spec_of
from infra.local.targets import as_text

LARGEST: Final = 10 * 1024 * 1024
TEXT: Final = re.compile(r"text/.*|application/(json|javascript|xml)")


@dataclass(frozen=True)
class Matched:
    """A route of an API, and what the request's path gave for its variables."""

    api: Any
    route: Any
    variables: Mapping[str, str]


def answer(cloud: Cloud, api_id: str, path: str, request: Request) -> Response:
    """Answer for an API as the gateway does."""
    from moto.apigatewayv2.models import apigatewayv2_backends

    api = apigatewayv2_backends[cloud.account][cloud.region].apis.get(api_id)
    matched = match(api, request.method, path) if api else None
    if not matched:
        return _message(404, "Not Found")
    if (request.content_length or 0) > LARGEST:
        return _message(413, "Request Entity Too Large")
    try:
        event = event_of(matched, request, path, cloud.account)
    except (OSError, UnicodeDecodeError):  # pieces that are none, or an address
        return _message(400, "Bad Request")
    refused, event = _authorized(cloud, matched, event)
    if refused:
        return refused
    integration = matched.api.integrations[matched.route.target.removeprefix("integrations/")]
    return _response(_invoke(cloud, integration.integration_uri, event))


def match(api: Any, method: str, path: str) -> Matched | None:
    """Find the route: the method before ANY, fixed words before variables, `$default` last."""
    found = []
    for route in api.routes.values():
        verb, _, pattern = route.route_key.partition(" ")
        variables = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", re.sub(r"\{(\w+)\+\}", r"(?P<\1>.+)", pattern)), path)
        if pattern and verb in (method, "ANY") and variables:
            found.append(((verb == "ANY", pattern.count("{")), Matched(api, route, variables.groupdict())))
    if found:
        return min(found, key=lambda entry: entry[0])[1]
    return next((Matched(api, route, {}) for route in api.routes.values() if route.route_key == "$default"), None)


def event_of(matched: Matched, request: Request, path: str, account: str) -> dict[str, Any]:
    """Write a request as a payload 2.0 event: repeated headers and parameters are joined, a body that is no text is in base 64."""
    now, body = datetime.now(UTC), request.get_data()
    text = bool(TEXT.fullmatch(request.mimetype or "text/plain"))
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": matched.route.route_key,
        "rawPath": path,
        "rawQueryString": request.query_string.decode(),
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "requestContext": {
            "accountId": account,
            "apiId": matched.api.api_id,
            "domainName": request.host,
            "domainPrefix": matched.api.api_id,
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.remote_addr,
                "userAgent": request.headers.get("User-Agent", ""),
            },
            "requestId": str(uuid4()),
            "routeKey": matched.route.route_key,
            "stage": "$default",
            "time": f"{now:%d/%b/%Y:%H:%M:%S} +0000",
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": bool(body) and not text,
    }
    if request.args:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in request.args.lists()}
    if matched.variables:
        event["pathParameters"] = dict(matched.variables)
    if body:
        event["body"] = body.decode("utf-8", "replace") if text else base64.b64encode(body).decode()
    return event


def _authorized(cloud: Cloud, matched: Matched, event: dict[str, Any]) -> tuple[Response | None, dict[str, Any]]:
    """Ask the route's Lambda authorizer: without what it looks at nobody is asked, and the answer is 401. IAM lets in whoever comes."""
    if matched.route.authorization_type == "AWS_IAM":
        key = _access_key(event)
        return None, _with(event, {"iam": {"accountId": cloud.account, "accessKey": key, "callerId": key, "userId": key}})
    if matched.route.authorization_type != "CUSTOM":
        return None, event
    authorizer = matched.api.authorizers[matched.route.authorizer_id]
    sources = [source.removeprefix("$request.header.").lower() for source in authorizer.identity_source or ()]
    if any(not event["headers"].get(source) for source in sources):
        return _message(401, "Unauthorized"), event
    asked = {name: value for name, value in event.items() if name not in ("body", "isBase64Encoded")}
    asked |= {"type": "REQUEST", "routeArn": "", "identitySource": [event["headers"][source] for source in sources]}
    said = _invoke(cloud, authorizer.authorizer_uri, asked)
    if said.failed:
        return _message(500, "Internal Server Error"), event
    if not (isinstance(said.value, dict) and said.value.get("isAuthorized")):
        return _message(403, "Forbidden"), event
    return None, _with(event, {"lambda": said.value.get("context", {})})


def _with(event: dict[str, Any], authorizer: dict[str, Any]) -> dict[str, Any]:
    return {**event, "requestContext": {**event["requestContext"], "authorizer": authorizer}}


def _access_key(event: dict[str, Any]) -> str:
    return str(event["headers"].get("authorization", "")).partition("Credential=")[2].partition("/")[0]


def _invoke(cloud: Cloud, uri: str, event: Mapping[str, Any]) -> Answer:
    from moto.awslambda.models import lambda_backends

    arn = uri.partition("/functions/")[2].removesuffix("/invocations") or uri
    function = lambda_backends[cloud.account][cloud.region].get_function(arn)
    return cloud.functions.invoke(spec_of(function), as_text(event).encode())


def _response(said: Answer) -> Response:
    """Turn a function's answer into a response; one without a status is the body itself."""
    value = None if said.failed else said.value
    if said.failed:
        return _message(500, "Internal Server Error")
    if not isinstance(value, dict) or "statusCode" not in value:
        return Response(as_text(value), 200, content_type="application/json")
    body = value.get("body") or ""
    content = base64.b64decode(body) if value.get("isBase64Encoded") else body
    response = Response(content, value["statusCode"], headers=value.get("headers") or {})
    for cookie in value.get("cookies") or ():
        response.headers.add("Set-Cookie", cookie)
    return response


def _message(status: int, message: str) -> Response:
    return Response(json.dumps({"message": message}), status, content_type="application/json")
