from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local import package

REGIONS = ("us-gov-west-1", "us-gov-east-1")


@pytest.fixture(scope="session")
def packaged() -> package.Package:
    """Return the package. The function behind `make package` makes it. This is instant if nothing has changed."""
    return package.build()


@pytest.fixture(scope="session")
def sam(packaged: package.Package) -> dict[str, Any]:
    template: dict[str, Any] = yaml.safe_load(packaged.template.read_text())
    return template


@pytest.fixture(scope="session", params=REGIONS)
def region(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def cloudformation(packaged: package.Package, region: str) -> dict[str, Any]:
    """Return the template that SAM's transform makes of the package in a Region."""
    return to_cloudformation(packaged.template, region)


def to_cloudformation(template: Path, region: str) -> dict[str, Any]:
    sam = yaml.safe_load(template.read_text())
    for resource in sam["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": "bucket", "Key": "key"}
    translator = Translator(None, Parser(), boto_session=boto3.Session(region_name=region))
    translated: dict[str, Any] = translator.translate(sam_template=sam, parameter_values={})
    return translated


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the template's resources of a type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }
