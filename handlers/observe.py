"""What every function tells: one log line a decision, metrics, a trace. Never a row's values; never more than counts, names and keys."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit, single_metric

from core.errors import LakeError
from core.loading import Ingested, Withdrawn
from core.run import Begun, Published, Step, Undone, Unknown, Violated
from core.transform import Transformed
from handlers.wording import sentence

NAMESPACE: Final = "Lakelet"
IN_SECONDS: Final = ("CommitSeconds", "TransformSeconds", "Freshness")
logger: Final = Logger(location=None)

Handler = Callable[[Any, Any], Any]
Measures = Mapping[str, float]


def observed(handler: Handler) -> Handler:
    """Give a handler a logger that knows the request, its cold start as a metric, and a trace where the request is traced."""
    logged = logger.inject_lambda_context(clear_state=True)(_guarded(handler))

    @wraps(handler)
    def traced(event: Any, context: Any) -> Any:
        _count_cold_start(context.function_name)
        with segment(f"## {handler.__module__}"):
            return logged(event, context)

    return traced


class Unforeseen(Exception):
    """What nobody raised on purpose: named by its kind and place."""


def _guarded(handler: Handler) -> Handler:
    """Let an error that is not Lakelet's own leave its text behind: Lambda would log it, and it may hold a row's values."""

    @wraps(handler)
    def guarded(event: Any, context: Any) -> Any:
        try:
            return handler(event, context)
        except LakeError:
            raise
        except Exception as error:
            frames = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)]
            logger.error("unforeseen", extra={"error": type(error).__name__, "where": frames[-20:]})
            raise Unforeseen(f"{type(error).__name__} at {frames[-1]}") from None

    return guarded


@cache
def _count_cold_start(function: str) -> None:
    """Count it once a container. Powertools' decorator would warn of every invocation that counts nothing else."""
    with single_metric("ColdStart", MetricUnit.Count, 1, namespace=NAMESPACE) as blob:
        blob.add_dimension("function_name", function)


@contextmanager
def segment(name: str) -> Iterator[None]:
    """Trace what is done inside, where Lambda samples this request: X-Ray's library takes 0.3 s to import, too long to do for nothing."""
    if not _is_sampled():
        yield
        return
    from aws_lambda_powertools.tracing import Tracer

    with Tracer(auto_patch=False).provider.in_subsegment(name=name):
        yield


def _is_sampled() -> bool:
    import os

    return "Sampled=1" in os.environ.get("_X_AMZN_TRACE_ID", "") and "AWS_XRAY_DAEMON_ADDRESS" in os.environ


def record(step: Step) -> None:
    """Log a step and count it."""
    measures = measured(step)
    fields = {"step": type(step).__name__.lower(), **_fields(step)}
    level = logger.warning if isinstance(step, (Undone, Violated, Unknown)) and not getattr(step, "late", False) else logger.info
    level(sentence(step), extra=fields)
    if measures:
        count(measures, dataset=_name(step))


def count(measures: Measures, *, dataset: str = "") -> None:
    """Emit metrics for the whole stack and, where there is one, for a dataset or transform."""
    blob = EphemeralMetrics(namespace=NAMESPACE)
    if dataset:
        blob.add_dimensions(service=str(blob.service), dataset=dataset)
    for name, value in measures.items():
        blob.add_metric(name, MetricUnit.Seconds if name in IN_SECONDS else MetricUnit.Count, value)
    blob.flush_metrics()


def measured(step: Step) -> dict[str, float]:
    """Return what a step counts for. Pure."""
    match step:
        case Ingested():
            found: dict[str, float] = {
                "ObjectsLoaded": step.count("loaded"),
                "ObjectsRejected": step.count("rejected"),
                "ObjectsRefused": step.count("refused"),
            }
            if step.version is not None:
                balance = step.balance
                found |= {"RowsRead": balance["read"], "RowsAccepted": balance["accepted"], "RowsQuarantined": balance["quarantined"]}
                found |= {"CommitSeconds": step.seconds, "Freshness": step.freshness or 0}
            return {name: value for name, value in found.items() if value or name == "RowsRead"}  # each metric costs, those of 0 too
        case Transformed():
            return {"TransformsRun": 1, "TransformSeconds": step.seconds}
        case Unknown():
            return {"ObjectsUnknown": 1}
        case Violated():
            return {"Violations": len(step.violations)}
        case Undone():
            return {} if step.late else {"Undone": 1}
        case _:
            return {}


def _name(step: Step) -> str:
    match step:
        case Ingested() | Withdrawn():
            return step.dataset
        case Transformed():
            return step.transform
        case Violated() | Published():
            return step.table
        case Undone():
            return step.name
        case _:
            return ""


def _fates(step: Ingested) -> dict[str, int]:
    return dict(Counter(outcome.fate for outcome in step.objects))


def _fields(step: Step) -> dict[str, Any]:
    match step:
        case Ingested():
            return {
                "dataset": step.dataset,
                "version": step.version,
                "objects": _fates(step),
                "rows": step.balance,
                "reasons": step.reasons,
                "warnings": step.warnings,
                "rejected": [{"object": o.object.key, "reason": o.reason} for o in step.objects if o.fate == "rejected"][:20],
                "refused": [o.object.key for o in step.objects if o.fate == "refused"][:20],
                "seconds": round(step.seconds, 3),
            }
        case Withdrawn():
            return {"dataset": step.dataset, "version": step.version, "objects": len(step.objects), "rows": step.rows}
        case Transformed():
            return {
                "transform": step.transform,
                "version": step.version,
                "rows": step.rows,
                "inputs": dict(step.inputs),
                **{name: value for name in ("partitions", "keys", "full") if (value := getattr(step, name)) not in (None, "")},
                "seconds": round(step.seconds, 3),
            }
        case Published():
            exports = {export.path: export.files for export in step.exported}
            return {"table": step.table, "exports": exports, "registered": list(step.registered)}
        case Violated():
            return {"table": step.table, "expectations": [{"name": v.name, "action": v.action} for v in step.violations]}
        case Unknown():
            return {"object": step.key}
        case Undone():
            return {"declaration": step.name, "error": step.error, "may_pass": step.may_pass}
        case Begun():
            return {"declaration": step.name}
