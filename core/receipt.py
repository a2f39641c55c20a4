"""What a commit took, and what that costs on Lambda and would have cost as a Glue job. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt

GIB: Final = 1 << 30


class Prices(BaseModel):
    """What computing costs, in US dollars: list prices, or those of `prices.yaml` beside the pipelines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lambda_gb_second: NonNegativeFloat = Field(0.0000166667, description="A GB of a function's memory for a second (x86).")
    lambda_request: NonNegativeFloat = Field(0.0000002, description="An invocation.")
    glue_dpu_hour: NonNegativeFloat = Field(0.44, description="A data processing unit of a Spark job for an hour.")
    glue_dpus: PositiveInt = Field(2, description="The units of the job that would do the same; two are Glue's least.")
    glue_minimum_seconds: NonNegativeFloat = Field(60, description="What a job is charged for at least.")
    region: str = Field("us-east-1", description="Where these prices hold.")
    as_of: date = Field(date(2026, 11, 1), description="What day they are of.")
    source: str = Field("aws.amazon.com/lambda/pricing and aws.amazon.com/glue/pricing", description="Who publishes them.")


@dataclass(frozen=True)
class Receipt:
    """What one commit took: rows read, bytes read of raw objects or of tables, seconds until it was committed, the process' peak memory
    in bytes so far, the function's memory in MiB; and what that makes in GB-seconds and US dollars, at the prices of that day.

    `glue_usd` is what the smallest Glue job would have cost if it had been no slower.
    """

    rows: int
    bytes: int
    seconds: float
    peak: int
    memory: int
    gb_seconds: float
    usd: float
    glue_usd: float

    @property
    def record(self) -> dict[str, Any]:
        """The receipt as a commit carries it."""
        return asdict(self)


def receipt(prices: Prices, *, rows: int, bytes: int, seconds: float, peak: int, memory: int) -> Receipt:
    """Reckon what was measured."""
    gb_seconds = memory / 1024 * seconds
    usd = gb_seconds * prices.lambda_gb_second + prices.lambda_request
    glue = prices.glue_dpus * max(seconds, prices.glue_minimum_seconds) / 3600 * prices.glue_dpu_hour
    return Receipt(rows, bytes, round(seconds, 3), peak, memory, round(gb_seconds, 4), round(usd, 8), round(glue, 6))


@dataclass(frozen=True)
class Spent:
    """What a table's commits took together; `peak` is the largest, `commits` those that carry a receipt."""

    commits: int = 0
    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0
    peak: int = 0
    gb_seconds: float = 0.0
    usd: float = 0.0
    glue_usd: float = 0.0


def total(records: Iterable[Mapping[str, Any]]) -> Spent:
    """Add up the receipts that commits carry."""
    found = list(records)
    sums = {name: sum(record[name] for record in found) for name in ("rows", "bytes", "seconds", "gb_seconds", "usd", "glue_usd")}
    return Spent(commits=len(found), peak=max((record["peak"] for record in found), default=0), **sums)
