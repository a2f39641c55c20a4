"""AWS as an operator's commands reach it: profile, region and endpoint from the environment, as the AWS command line takes them."""

import os
from typing import Any

from core.telling import keep_secret


def session() -> Any:
    """Return a boto3 session. boto3 reads AWS_DEFAULT_REGION alone; Lambda, and every other SDK, set AWS_REGION."""
    import boto3

    found = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
    if credentials := found.get_credentials():
        frozen = credentials.get_frozen_credentials()
        keep_secret(frozen.access_key or "", frozen.secret_key or "", frozen.token or "")  # AWS' own errors may quote them
    return found
