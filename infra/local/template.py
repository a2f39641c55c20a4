"""A SAM template on disk becomes plain CloudFormation: packaged as by `sam build`, translated by aws-sam-translator. Makes nothing."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.errors import Terminal

NESTED: Final = ("AWS::Serverless::Application", "AWS::CloudFormation::Stack")
MACRO: Final = "AWS::Serverless-2016-10-31"


@dataclass(frozen=True)
class Template:
    """Plain CloudFormation. `nested` holds the templates of the stacks within, by their resources' names."""

    file: Path
    parameters: Mapping[str, Any]
    mappings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    resources: Mapping[str, Any]
    outputs: Mapping[str, Any]
    nested: Mapping[str, "Template"]


def translate(file: Path, *, image: str, region: str, parameters: Mapping[str, str] | None = None) -> Template:
    """Read and translate a template, and those that it nests. `image` stands for the one that `sam build` makes of the Dockerfile."""
    source = _read(file)
    nested = {name: Path(file.parent, location) for name, location in _nested(source).items()}
    _package(source, file.parent, image)
    plain = _plain(source, file, region, parameters or {}) if MACRO in _macros(source) else source
    return Template(
        file=file,
        parameters=plain.get("Parameters", {}),
        mappings=plain.get("Mappings", {}),
        conditions=plain.get("Conditions", {}),
        resources=plain.get("Resources", {}),
        outputs=plain.get("Outputs", {}),
        nested={name: translate(path, image=image, region=region) for name, path in nested.items()},
    )


def _read(file: Path) -> dict[str, Any]:
    from samtranslator.yaml_helper import yaml_parse

    try:
        found: dict[str, Any] = json.loads(json.dumps(yaml_parse(file.read_text("utf-8")), default=str))  # no node is shared
    except OSError as error:
        raise Terminal(f"template {file}", expected="a file", found=error.strerror or str(error)) from error
    return found


def _macros(source: Mapping[str, Any]) -> list[str]:
    macros = source.get("Transform", [])
    return [macros] if isinstance(macros, str) else list(macros)


def _nested(source: Mapping[str, Any]) -> dict[str, str]:
    """Return the local templates of nested stacks, by resource."""
    found = {}
    for name, resource in source.get("Resources", {}).items():
        if resource["Type"] in NESTED:
            properties = resource["Properties"]
            found[name] = str(properties.get("Location") or properties.get("TemplateURL"))
    return found


def _package(source: dict[str, Any], folder: Path, image: str) -> None:
    """Do what `sam build` and `sam package` do: name the image, put files in place of paths, nest stacks as CloudFormation does."""
    for resource in source.get("Resources", {}).values():
        properties = resource.setdefault("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function" and properties.get("PackageType") == "Image":
            properties["ImageUri"] = image
            resource.pop("Metadata", None)
        elif resource["Type"] == "AWS::Serverless::StateMachine" and "DefinitionUri" in properties:
            properties["Definition"] = json.loads((folder / properties.pop("DefinitionUri")).read_text("utf-8"))
        elif resource["Type"] in NESTED:
            resource["Type"] = "AWS::CloudFormation::Stack"
            properties["TemplateURL"] = "https://local/"
            properties.pop("Location", None)


def _plain(source: dict[str, Any], file: Path, region: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    import boto3
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    logging.getLogger("samtranslator.metrics").setLevel(logging.ERROR)  # it warns that it reports nothing to AWS
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=region))
    try:
        plain: dict[str, Any] = translator.translate(source, dict(parameters))
    except InvalidDocumentException as error:
        causes = "\n".join(cause.message for cause in error.causes)
        raise Terminal(f"template {file}", expected="what aws-sam-translator takes", found=causes) from error
    return plain
