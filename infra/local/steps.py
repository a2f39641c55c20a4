"""Step Functions: moto's interpreter, switched on. It calls every execution without a name `None`, so that there can be only one."""

from typing import Any
from uuid import uuid4

from infra.local.patching import put_in_place


def install() -> None:
    """Let state machines run, and each execution have a name of its own."""
    from moto.core.config import default_user_config
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend

    start = StepFunctionsParserBackend.start_execution

    def start_named(backend: Any, state_machine_arn: str, name: str | None = None, *others: Any) -> Any:
        return start(backend, state_machine_arn, name or str(uuid4()), *others)

    default_user_config["stepfunctions"]["execute_state_machine"] = True
    put_in_place(StepFunctionsParserBackend, start_execution=start_named)


def running(account: str, region: str) -> int:
    """Count the executions under way."""
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    machines: list[Any] = list(stepfunctions_parser_backends[account][region].state_machines)
    return sum(execution.exec_status == "RUNNING" for machine in machines for execution in list(machine.executions))
