"""The templates themselves: valid to the tools, limited, and with a reason for each `*`."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from template_document import load_template

from cluster_assets.domain.limits import LAMBDA_MAX_TIMEOUT_S, LAMBDA_MEMORY_MB
from cluster_assets.pipeline_spec import Limits
from cluster_assets.settings import PROJECT_ROOT, Settings
from deploy.layer.interpreter import DEFAULT_PYTHON
from deploy.layer.processors import PROCESSORS
from deploy.stack.stacks import ENVIRONMENTS, Stack, settings_of, stack_name

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Tools

TEMPLATES = {name: PROJECT_ROOT / name for name in ("template.yaml", "deploy/arrivals.yaml")}
MAIN = load_template(TEMPLATES["template.yaml"])
RESOURCES: dict[str, Any] = MAIN["Resources"]


def test_the_linter_finds_nothing(tools: Tools) -> None:
    command = [tools.lint, *TEMPLATES.values()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) == (0, "")


def test_sam_finds_it_valid(tools: Tools, tmp_path: Path) -> None:
    said = tools.run_sam("validate", "--lint", "--template", str(TEMPLATES["template.yaml"]), folder=tmp_path)
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


def test_environments_are_those_of_samconfig() -> None:
    config = tomllib.loads((PROJECT_ROOT / "samconfig.toml").read_text())
    assert MAIN["Parameters"]["EnvironmentName"]["AllowedValues"] == list(ENVIRONMENTS)
    for environment in ENVIRONMENTS:
        deploy = config[environment]["deploy"]["parameters"]
        assert deploy["stack_name"] == stack_name(environment)
        given = dict(one.split("=", 1) for one in deploy["parameter_overrides"])
        assert given["EnvironmentName"] == environment
        assert given.keys() <= MAIN["Parameters"].keys()
        for name, value in given.items():
            parameter = MAIN["Parameters"][name]
            if parameter["Type"] == "Number":
                assert parameter.get("MinValue", 0) <= int(value) <= parameter.get("MaxValue", 10**15)
                assert int(value) in parameter.get("AllowedValues", [int(value)])
    assert config["prod"]["deploy"]["parameters"]["confirm_changeset"] is True


def test_outputs_are_settings() -> None:
    names = settings_of(Stack("x", dict.fromkeys(MAIN["Outputs"], "x")))
    known = {f"CLUSTER_{name.upper()}" for name in Settings.model_fields}
    assert names.keys() - known == {"DAGSTER_LOGS_BUCKET", "DAGSTER_LOGS_PREFIX"}
    assert {name for name in known if name.startswith("CLUSTER_AWS_")} - names.keys() == {
        "CLUSTER_AWS_CATALOG_ID",  # of another account
        "CLUSTER_AWS_DATA_CATALOG",  # the same
        "CLUSTER_AWS_ENDPOINT_URL",  # for emulators
        "CLUSTER_AWS_RESULTS_URI",  # the workgroup says so
    }


def test_the_worker_is_what_the_layer_and_the_limits_say() -> None:
    worker = RESOURCES["Worker"]["Properties"]
    parameters = MAIN["Parameters"]
    assert worker["Runtime"] == f"python{DEFAULT_PYTHON}"
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
    pinned = RESOURCES["WorkerVersionInvocations"]["Properties"]
    for settings in (worker["EventInvokeConfig"], pinned):
        assert settings["MaximumRetryAttempts"] == 0
        assert settings["DestinationConfig"]["OnFailure"]["Destination"] == {
            "Fn::GetAtt": ["WorkerFailures", "Arn"]
        }


def test_nothing_is_left_open() -> None:
    of_type = lambda kind: {n: r["Properties"] for n, r in RESOURCES.items() if r["Type"] == kind}  # noqa: E731
    buckets = of_type("AWS::S3::Bucket")
    closed = {
        one["Properties"]["Bucket"]["Ref"]
        for one in RESOURCES.values()
        if one["Type"] == "AWS::S3::BucketPolicy"
    }
    assert closed == set(buckets)
    for bucket in buckets.values():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert bucket["LifecycleConfiguration"]["Rules"]
    for queue in of_type("AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] is True
    for group in of_type("AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"]
    assert not of_type("AWS::Lambda::Permission")
    alarms = of_type("AWS::CloudWatch::Alarm")
    assert {alarm["MetricName"] for alarm in alarms.values()} >= {
        "Errors",
        "Throttles",
        "ApproximateNumberOfMessagesVisible",
        "ProcessedBytes",
    }
    for alarm in alarms.values():
        assert alarm["AlarmDescription"]
        assert alarm["AlarmActions"]
