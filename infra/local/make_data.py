"""Makers of what keeps data and secrets: KMS, S3, Glue, Athena, Secrets Manager."""

from typing import Any, Final

from core.errors import Terminal
from infra.local.intrinsics import Made
from infra.local.making import Maker, Request


def _key(request: Request) -> Made:
    rotates = request.take("EnableKeyRotation", False)
    request.take("PendingWindowInDays")  # of a deletion
    made = request.call("kms", "create_key", Policy=request.document("KeyPolicy"), **request.rest())["KeyMetadata"]
    if rotates:
        request.call("kms", "enable_key_rotation", KeyId=made["KeyId"])
    return Made(made["KeyId"], {"Arn": made["Arn"], "KeyId": made["KeyId"]})


def _alias(request: Request) -> Made:
    name = request.properties["AliasName"]
    request.call("kms", "create_alias", **request.rest())
    return Made(name, {})


# --- buckets -------------------------------------------------------------------------------------------------------------------------


def _bucket(request: Request) -> Made:
    name = request.name("BucketName", 63).lower()
    place = request.client.region
    configuration = {} if place == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": place}}
    request.call("s3", "create_bucket", Bucket=name, **configuration)
    for key in list(request.properties):
        if key not in BUCKET_SETTINGS:
            raise Terminal(f"{request.logical} ({request.type})", expected=", ".join(BUCKET_SETTINGS), found=key)
        operation, argument, translate = BUCKET_SETTINGS[key]
        request.call("s3", operation, Bucket=name, **{argument: translate(request.take(key))})
    domain = f"{name}.s3.amazonaws.com"
    regional = f"{name}.s3.{place}.amazonaws.com"
    return Made(name, {"Arn": f"arn:aws:s3:::{name}", "DomainName": domain, "RegionalDomainName": regional})


def _encryption(given: dict[str, Any]) -> dict[str, Any]:
    rules = [{_default(name): value for name, value in rule.items()} for rule in given["ServerSideEncryptionConfiguration"]]
    return {"Rules": rules}


def _default(name: str) -> str:
    return "ApplyServerSideEncryptionByDefault" if name == "ServerSideEncryptionByDefault" else name


def _notifications(given: dict[str, Any]) -> dict[str, Any]:
    """Return the switch of EventBridge; the rest keeps its words, which moto would refuse."""
    enabled = given.pop("EventBridgeConfiguration", {}).get("EventBridgeEnabled") in (True, "true")
    return {**given, **({"EventBridgeConfiguration": {}} if enabled else {})}


def _lifecycle(given: dict[str, Any]) -> dict[str, Any]:
    return {"Rules": [_lifecycle_rule(dict(rule)) for rule in given["Rules"]]}


def _lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """Write a rule as the API does, where days of expiry lie a level deeper."""
    expiration = {"ExpiredObjectDeleteMarker": rule.pop("ExpiredObjectDeleteMarker", None), "Days": rule.pop("ExpirationInDays", None)}
    transitions = [{"Days": move["TransitionInDays"], "StorageClass": move["StorageClass"]} for move in rule.pop("Transitions", [])]
    prefix = rule.pop("Prefix", "")
    return {
        **rule,
        "Filter": {"Prefix": prefix},
        **({"Expiration": found} if (found := {name: value for name, value in expiration.items() if value is not None}) else {}),
        **({"Transitions": transitions} if transitions else {}),
    }


BUCKET_SETTINGS: Final[dict[str, tuple[str, str, Any]]] = {
    "BucketEncryption": ("put_bucket_encryption", "ServerSideEncryptionConfiguration", _encryption),
    "VersioningConfiguration": ("put_bucket_versioning", "VersioningConfiguration", dict),
    "PublicAccessBlockConfiguration": ("put_public_access_block", "PublicAccessBlockConfiguration", dict),
    "NotificationConfiguration": ("put_bucket_notification_configuration", "NotificationConfiguration", _notifications),
    "LifecycleConfiguration": ("put_bucket_lifecycle_configuration", "LifecycleConfiguration", _lifecycle),
    "OwnershipControls": ("put_bucket_ownership_controls", "OwnershipControls", dict),
    "Tags": ("put_bucket_tagging", "Tagging", lambda tags: {"TagSet": tags}),
}


def _bucket_policy(request: Request) -> Made:
    bucket = request.take("Bucket")
    request.call("s3", "put_bucket_policy", Bucket=bucket, Policy=request.document("PolicyDocument"))
    return Made(bucket, {})


# --- catalog and secrets -------------------------------------------------------------------------------------------------------------


def _database(request: Request) -> Made:
    request.take("CatalogId")
    name = request.properties["DatabaseInput"]["Name"]
    request.call("glue", "create_database", **request.rest())
    return Made(name, {})


def _workgroup(request: Request) -> Made:
    name = request.properties["Name"]
    request.take("RecursiveDeleteOption")
    state = request.take("State", "ENABLED")
    request.call("athena", "create_work_group", Configuration=request.take("WorkGroupConfiguration"), **request.rest())
    if state != "ENABLED":
        request.call("athena", "update_work_group", WorkGroup=name, State=state)
    return Made(name, {})


def _named_query(request: Request) -> Made:
    request.properties.setdefault("Name", request.logical)
    made = request.call("athena", "create_named_query", **request.rest())["NamedQueryId"]
    return Made(made, {"NamedQueryId": made})


def _secret(request: Request) -> Made:
    generate = request.take("GenerateSecretString")
    if generate is not None:
        request.properties["SecretString"] = request.call("secretsmanager", "get_random_password", **generate)["RandomPassword"]
    made = request.call("secretsmanager", "create_secret", Name=request.name("Name"), **request.rest())["ARN"]
    return Made(made, {"Id": made})


DATA: Final[dict[str, Maker]] = {
    "AWS::KMS::Key": _key,
    "AWS::KMS::Alias": _alias,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::Glue::Database": _database,
    "AWS::Athena::WorkGroup": _workgroup,
    "AWS::Athena::NamedQuery": _named_query,
    "AWS::SecretsManager::Secret": _secret,
}
