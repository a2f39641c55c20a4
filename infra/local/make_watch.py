"""Makers of what watches: log groups, alarms, dashboards, budgets, trails. moto keeps alarms and budgets, and judges none."""

from typing import Final

from infra.local.intrinsics import Made
from infra.local.making import Maker, Request, tags


def _log_group(request: Request) -> Made:
    name, days = request.name("LogGroupName", 512), request.take("RetentionInDays")
    request.call("logs", "create_log_group", logGroupName=name, tags=tags(request), **request.rest())
    if days is not None:
        request.call("logs", "put_retention_policy", logGroupName=name, retentionInDays=days)
    return Made(name, {"Arn": request.arn("logs", f"log-group:{name}:*")})


def _log_stream(request: Request) -> Made:
    name = request.name("LogStreamName", 512)
    request.call("logs", "create_log_stream", logStreamName=name, **request.rest())
    return Made(name, {})


def _metric_filter(request: Request) -> Made:
    name = request.name("FilterName", 512)
    request.call("logs", "put_metric_filter", filterName=name, **request.rest())
    return Made(name, {})


def _alarm(request: Request) -> Made:
    name = request.name("AlarmName", 255)
    request.call("cloudwatch", "put_metric_alarm", AlarmName=name, **request.rest())
    return Made(name, {"Arn": request.arn("cloudwatch", f"alarm:{name}")})


def _dashboard(request: Request) -> Made:
    name = request.name("DashboardName", 255)
    request.call("cloudwatch", "put_dashboard", DashboardName=name, DashboardBody=request.document("DashboardBody"))
    return Made(name, {})


def _budget(request: Request) -> Made:
    name = request.properties["Budget"].setdefault("BudgetName", request.logical)
    request.call("budgets", "create_budget", AccountId=request.account, **request.rest())
    return Made(name, {})


def _trail(request: Request) -> Made:
    name, logging, selectors = request.name("TrailName", 128), request.take("IsLogging"), request.take("EventSelectors")
    advanced, topic = request.take("AdvancedEventSelectors"), request.take("SnsTopicName")
    renamed = {"EnableLogFileValidation": request.take("EnableLogFileValidation")}
    made = request.call("cloudtrail", "create_trail", Name=name, SnsTopicName=topic, **renamed, **request.rest())
    if selectors or advanced:
        request.call("cloudtrail", "put_event_selectors", TrailName=name, EventSelectors=selectors, AdvancedEventSelectors=advanced)
    if logging:
        request.call("cloudtrail", "start_logging", Name=name)
    return Made(name, {"Arn": made["TrailARN"]})


WATCH: Final[dict[str, Maker]] = {
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Logs::LogStream": _log_stream,
    "AWS::Logs::MetricFilter": _metric_filter,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::Budgets::Budget": _budget,
    "AWS::CloudTrail::Trail": _trail,
}
