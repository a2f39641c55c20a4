"""AWS as an operator's commands reach it: profile, region and endpoint from the environment, as the AWS command line takes them."""

import os
from typing import Any


def session() -> Any:
    """Return a boto3 session. boto3 reads AWS_DEFAULT_REGION alone; Lambda, and every other SDK, set AWS_REGION."""
    import boto3

    return boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
