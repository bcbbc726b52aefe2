"""The templates themselves: valid to the tools, limited, and with a reason for each `*`."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from template_document import load_template
from waiting import LONGEST_S

from cluster_assets.domain.costs import LAMBDA_MAX_TIMEOUT_S, LAMBDA_MEMORY_MB
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.settings import Settings
from cluster_assets.spec.pipeline import Limits
from deploy.layer.functions import FUNCTIONS
from deploy.layer.interpreter import PYTHON
from deploy.layer.processors import PROCESSORS
from deploy.stack.stacks import ENVIRONMENTS, Stack, StackId, settings_of
from lambda_worker.serving.contract import ENRICH_PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Tools

TEMPLATES = {
    name: PROJECT_ROOT / name for name in ("template.yaml", "deploy/arrivals.yaml", "deploy/serving.yaml")
}
MAIN = load_template(TEMPLATES["template.yaml"])
RESOURCES: dict[str, Any] = MAIN["Resources"]
SERVING = load_template(TEMPLATES["deploy/serving.yaml"])


def test_the_linter_finds_nothing(tools: Tools) -> None:
    command = [tools.lint, *TEMPLATES.values()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_S)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", ["template.yaml", "deploy/serving.yaml"])
def test_sam_finds_it_valid(tools: Tools, tmp_path: Path, name: str) -> None:
    said = tools.run_sam("validate", "--lint", "--template", str(TEMPLATES[name]), folder=tmp_path)
    assert "is a valid SAM Template" in said


@pytest.mark.parametrize("path", TEMPLATES.values(), ids=list(TEMPLATES))
def test_every_star_has_its_reason_beside_it(path: Path) -> None:
    stars = 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        code, _, reason = line.partition(" # ")
        if "*" not in code or code.lstrip().startswith("#") or "AllowedPattern" in code:
            continue
        if re.search(r"[:-] \*[a-z]+$", code.rstrip()):
            continue  # a YAML alias
        stars += 1
        assert len(reason.split()) >= 3, f"{path.name}:{number} does not say why: {line}"
    assert stars


@pytest.mark.parametrize(("template", "suffix"), [(MAIN, ""), (SERVING, "-serving")], ids=["main", "serving"])
def test_environments_are_those_of_samconfig(template: dict[str, Any], suffix: str) -> None:
    config = tomllib.loads((PROJECT_ROOT / "samconfig.toml").read_text())
    assert template["Parameters"]["EnvironmentName"]["AllowedValues"] == list(ENVIRONMENTS)
    for environment in ENVIRONMENTS:
        deploy = config[environment + suffix]["deploy"]["parameters"]
        assert deploy["stack_name"] == StackId(environment).name + suffix
        given = dict(one.split("=", 1) for one in deploy["parameter_overrides"])
        assert given["EnvironmentName"] == environment
        assert given.keys() <= template["Parameters"].keys()
        for name, value in given.items():
            parameter = template["Parameters"][name]
            if parameter["Type"] == "Number":
                assert parameter.get("MinValue", 0) <= int(value) <= parameter.get("MaxValue", 10**15)
                assert int(value) in parameter.get("AllowedValues", [int(value)])
            else:
                assert value in parameter.get("AllowedValues", [value])
    assert config["prod" + suffix]["deploy"]["parameters"]["confirm_changeset"] is True


def test_outputs_are_settings() -> None:
    names = settings_of(Stack("x", dict.fromkeys(MAIN["Outputs"], "x")))
    known = {f"CLUSTER_{name.upper()}" for name in Settings.model_fields}
    assert names.keys() - known == {"DAGSTER_LOGS_BUCKET", "DAGSTER_LOGS_PREFIX"}
    assert {name for name in known if name.startswith("CLUSTER_AWS_")} - names.keys() == {
        "CLUSTER_AWS_CATALOG_ID",  # of another account
        "CLUSTER_AWS_DATA_CATALOG",  # the same
        "CLUSTER_AWS_ENDPOINT_URL",  # for emulators
        "CLUSTER_AWS_QUERY_SECONDS",  # a limit, which has a default
        "CLUSTER_AWS_RESULTS_URI",  # the workgroup says so
        "CLUSTER_AWS_SMALL_READ_MB",  # a limit too
    }


def test_the_worker_is_what_the_layer_and_the_limits_say() -> None:
    worker = RESOURCES["Worker"]["Properties"]
    parameters = MAIN["Parameters"]
    assert worker["Runtime"] == f"python{PYTHON}"
    assert parameters["Architecture"]["AllowedValues"] == sorted(PROCESSORS, reverse=True)
    for name, layer in (("x86_64", "LayerX86"), ("arm64", "LayerArm")):
        described = RESOURCES[layer]["Properties"]
        assert described["ContentUri"] == f"build/layer/layer-{name}.zip"
        assert described["CompatibleArchitectures"] == [name]
        assert described["CompatibleRuntimes"] == [worker["Runtime"]]
    assert worker["CodeUri"] == "build/layer/function.zip"
    memory, time = parameters["WorkerMemoryMb"], parameters["WorkerTimeoutS"]
    assert (memory["MinValue"], memory["MaxValue"]) == LAMBDA_MEMORY_MB
    assert time["MaxValue"] == LAMBDA_MAX_TIMEOUT_S
    # Pipelines without limits of their own run on the defaults.
    assert (memory["Default"], time["Default"]) == (Limits().memory_mb, Limits().timeout_s)
    assert not [one for one in RESOURCES.values() if one["Type"] == "AWS::Lambda::Permission"]
    assert RESOURCES["DailyScanAlarm"]["Properties"]["MetricName"] == "ProcessedBytes"
    pinned = RESOURCES["WorkerVersionInvocations"]["Properties"]
    for settings in (worker["EventInvokeConfig"], pinned):
        assert settings["MaximumRetryAttempts"] == 0
        assert settings["DestinationConfig"]["OnFailure"]["Destination"] == {
            "Fn::GetAtt": ["WorkerFailures", "Arn"]
        }


def test_the_api_is_what_its_build_says() -> None:
    api, built = SERVING["Resources"]["Api"]["Properties"], FUNCTIONS["serving"]
    assert api["Runtime"] == f"python{PYTHON}"
    assert api["Handler"] == built.handler
    folder = TEMPLATES["deploy/serving.yaml"].parent
    assert (folder / api["CodeUri"]).resolve() == built.output / "function.zip"
    for name, layer in (("x86_64", "LayerX86"), ("arm64", "LayerArm")):
        described = SERVING["Resources"][layer]["Properties"]
        assert (folder / described["ContentUri"]).resolve() == built.output / f"layer-{name}.zip"
        assert described["CompatibleArchitectures"] == [name]
        assert described["CompatibleRuntimes"] == [api["Runtime"]]
    variables = api["Environment"]["Variables"]
    settings = {f"CLUSTER_{name.upper()}" for name in Settings.model_fields}
    own = ("CLUSTER_API_", ENRICH_PREFIX)
    assert {name for name in variables if not name.startswith(own)} <= settings
    documented = (PROJECT_ROOT / "docs" / "api.md").read_text()
    assert all(f"`{name}`" in documented for name in variables if name.startswith("CLUSTER_API_"))


def test_the_api_imports_what_the_stack_exports() -> None:
    exported = {
        output["Export"]["Name"]["Fn::Sub"] for output in MAIN["Outputs"].values() if "Export" in output
    }
    imported = {
        found
        for name in ("deploy/arrivals.yaml", "deploy/serving.yaml")
        for found in re.findall(
            r"cluster-assets-\$\{EnvironmentName\}\$\{Suffix\}-[A-Z]\w+", TEMPLATES[name].read_text()
        )
    }
    assert imported == exported


def test_every_entrance_checks_who_asks() -> None:
    resources = SERVING["Resources"]
    routes = {
        one["Properties"]["RouteKey"]: one["Properties"]["AuthorizationType"]
        for one in resources.values()
        if one["Type"] == "AWS::ApiGatewayV2::Route"
    }
    assert routes == {"$default": "JWT", "GET /": "NONE", "GET /health": "NONE"}
    assert resources["Url"]["Properties"]["AuthType"] == "AWS_IAM"
    first, last = resources["Listener"]["Properties"]["DefaultActions"]
    assert [one["Type"] for one in first["Fn::If"][1:]] == ["authenticate-oidc", "jwt-validation"]
    assert last["Type"] == "forward"
    rules = [one for one in resources.values() if one["Type"] == "AWS::ElasticLoadBalancingV2::ListenerRule"]
    assert [one["Properties"]["Conditions"][0]["PathPatternConfig"]["Values"] for one in rules] == [
        ["/health"]
    ]
    # Only services may invoke the function, and only for resources of this account.
    for permission in (
        one["Properties"] for one in resources.values() if one["Type"] == "AWS::Lambda::Permission"
    ):
        assert {"SourceArn", "SourceAccount"} & permission.keys()


@pytest.mark.parametrize("resources", [RESOURCES, SERVING["Resources"]], ids=["main", "serving"])
def test_nothing_is_left_open(resources: dict[str, Any]) -> None:
    of_type = lambda kind: {n: r["Properties"] for n, r in resources.items() if r["Type"] == kind}  # noqa: E731
    buckets = of_type("AWS::S3::Bucket")
    closed = {
        one["Properties"]["Bucket"]["Ref"]
        for one in resources.values()
        if one["Type"] == "AWS::S3::BucketPolicy"
    }
    assert closed == set(buckets)
    for bucket in buckets.values():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert bucket["LifecycleConfiguration"]["Rules"]
    for group in of_type("AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"]
    alarms = of_type("AWS::CloudWatch::Alarm")
    watched = {alarm.get("MetricName") for alarm in alarms.values()}
    assert watched >= {"Errors", "Throttles", "ApproximateNumberOfMessagesVisible"}
    for alarm in alarms.values():
        assert alarm["AlarmDescription"]
        assert alarm["AlarmActions"]
