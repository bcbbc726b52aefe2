"""What the rules of an account ask for: own keys, access logs, alarms of costs, and several stacks."""

from __future__ import annotations

import re
import tomllib

import pytest
from template_document import ACCOUNT, REGION, Stack, load_template
from test_template import MAIN, RESOURCES, TEMPLATES

from cluster_assets.domain.costs import LambdaPrice
from cluster_assets.project import PROJECT_ROOT
from deploy.stack.stacks import ENVIRONMENTS, StackError, StackId
from deploy.stack.tool_options import arrivals_options, deploy_options

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
BY_AWS = "SqsManagedSseEnabled"
KEYS = {
    "template.yaml": "KmsKeyArn",
    "deploy/arrivals.yaml": "KmsKeyArn",
    "deploy/serving.yaml": "LocalKmsKeyArn",
}


@pytest.mark.parametrize("name", list(TEMPLATES))
def test_logs_and_queues_have_the_key_of_the_customer_or_one_of_aws(name: str) -> None:
    template = load_template(TEMPLATES[name])
    kinds = {"AWS::SQS::Queue": "KmsMasterKeyId", "AWS::Logs::LogGroup": "KmsKeyId"}
    found = [one for one in template["Resources"].values() if one["Type"] in kinds]
    assert found
    for resource in found:
        key = kinds[resource["Type"]]
        named = {part: value for part, value in resource["Properties"].items() if part in (key, BY_AWS)}
        by_aws = {BY_AWS: True} if BY_AWS in named else {}
        assert by_aws or resource["Type"] == "AWS::Logs::LogGroup"  # logs are always encrypted
        assert Stack(template, {}).resolve(named) == by_aws
        assert Stack(template, {KEYS[name]: KEY}).resolve(named) == {key: KEY}


def test_both_buckets_write_access_logs_where_the_account_keeps_them() -> None:
    stack = Stack(MAIN, {"AccessLogBucket": "audit", "AWS::StackName": "cluster-assets-prod"})
    for name in ("Warehouse", "Results"):
        logging = RESOURCES[name]["Properties"]["LoggingConfiguration"]
        assert stack.resolve(logging) == {
            "DestinationBucketName": "audit",
            "LogFilePrefix": f"cluster-assets-prod/{name.lower()}/",
        }


@pytest.mark.parametrize(
    ("name", "function", "roles", "prefix"),
    [
        ("template.yaml", "Worker", {"WorkerRole", "OrchestratorRole"}, ""),
        ("deploy/serving.yaml", "Api", {"ApiRole"}, "Function"),
    ],
)
def test_a_boundary_and_a_network_reach_every_role_and_function(
    name: str, function: str, roles: set[str], prefix: str
) -> None:
    template = load_template(TEMPLATES[name])
    network = {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    boundary = {"PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary"}
    values = {f"{prefix}{key}": value for key, value in network.items()} | boundary
    ruled, free = Stack(template, values), Stack(template, {})
    resources = template["Resources"]
    assert roles == {key for key, one in resources.items() if one["Type"] == "AWS::IAM::Role"}
    for role in roles:
        kept = {"Boundary": resources[role]["Properties"]["PermissionsBoundary"]}
        assert ruled.resolve(kept) == {"Boundary": boundary["PermissionsBoundaryArn"]}
        assert free.resolve(kept) == {}
    kept = {"VpcConfig": resources[function]["Properties"]["VpcConfig"]}
    assert ruled.resolve(kept) == {"VpcConfig": network}
    assert free.resolve(kept) == {}


@pytest.mark.parametrize(("processor", "factor"), [("x86_64", 1.0), ("arm64", 0.8)])
def test_the_alarm_of_costs_knows_the_prices_that_runs_report(processor: str, factor: float) -> None:
    stack = Stack(MAIN, {"Architecture": processor, "WorkerMemoryMb": "1769"})
    dollars, milliseconds = RESOURCES["DailyWorkerCostAlarm"]["Properties"]["Metrics"]
    assert milliseconds["MetricStat"]["Metric"]["MetricName"] == "Duration"
    assert milliseconds["MetricStat"]["Stat"] == "Sum"
    product = re.fullmatch(
        r"milliseconds / 1000 \* (\d+) / 1024 \* ([\d.]+)", stack.resolve(dollars["Expression"])
    )
    assert product is not None
    day = 3_600_000 / 1000 * int(product[1]) / 1024 * float(product[2])
    assert day == pytest.approx(LambdaPrice().dollars(1769, 3600, 0) * factor, rel=1e-5)


def test_prod_has_a_budget_and_an_alarm_of_costs() -> None:
    config = tomllib.loads((PROJECT_ROOT / "samconfig.toml").read_text())
    given = dict(one.split("=", 1) for one in config["prod"]["deploy"]["parameters"]["parameter_overrides"])
    assert min(float(given["MonthlyBudgetUsd"]), float(given["DailyWorkerAlarmUsd"])) > 0
    filters = RESOURCES["Budget"]["Properties"]["Budget"]["CostFilters"]["TagKeyValue"]
    (tag,) = Stack(MAIN, {"EnvironmentName": "prod", "Suffix": "eu"}).resolve(filters)
    assert (
        f"user:{'$'.join(deploy_options(StackId('prod', 'eu'))[6].split('='))}"
        == tag
        == "user:environment$prodeu"
    )
    assert "environment=prod" in config["prod"]["deploy"]["parameters"]["tags"]


def test_no_two_stacks_share_a_name() -> None:
    for name, path in TEMPLATES.items():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "${EnvironmentName}" in line:
                assert "${EnvironmentName}${Suffix}" in line, f"{name}:{number}"
    names = {StackId(environment, suffix).name for environment in ENVIRONMENTS for suffix in ("", "a", "b2")}
    assert len(names) == 3 * len(ENVIRONMENTS)
    longest = StackId("staging", "a" * MAIN["Parameters"]["Suffix"]["MaxLength"]).label
    assert len(f"cluster-assets-{longest}-arrivals-" + "p" * 41) <= 80  # queues
    assert len(f"cluster-assets-{longest}") <= 32  # load balancers


def test_a_suffix_keeps_the_parameters_of_its_environment() -> None:
    assert deploy_options(StackId("prod")) == []
    options = deploy_options(StackId("prod", "eu"), "-serving")
    assert options[:2] == ["--stack-name", "cluster-assets-prodeu-serving"]
    assert options[-1] == "Suffix=eu"
    assert {"EnvironmentName=prod", "Start=provisioned"} <= set(options)
    arrivals = arrivals_options(StackId("dev"), "red_team")
    assert arrivals[:2] == ["--stack-name", "cluster-assets-dev-arrivals-red-team"]
    assert arrivals[-2:] == ["EnvironmentName=dev", "Pipeline=red_team"]
    for suffix in ("B", "a-b", "a_b", "12345678"):
        with pytest.raises(StackError, match="is not valid"):
            StackId("dev", suffix)
