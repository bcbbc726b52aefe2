"""The API deployed by sam to an emulator, called through every entrance that the emulator has."""

from __future__ import annotations

import http.client
import json
import os
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from ministack_server import ACCOUNT, REGION
from served_day import DAY, NAMES, PIPELINE, compute_day, publish_day
from waiting import LONGEST_S, wait_for

from cluster_assets.opening import open_storage
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conftest import Deployed

STACK = "cluster-assets-dev-serving"
ENTITY = f"/v1/{PIPELINE}/entities/{NAMES[3]}"
PASSWORD = "Guards-n0thing"  # noqa: S105  # it says so
CLASSIFY = f"/v1/{PIPELINE}/classify"
ITEMS = {"items": [{"vector": [10.03]}, {"vector": [500]}]}


class _Provider(BaseHTTPRequestHandler):
    """What a load balancer asks of an identity provider after a login."""

    def do_POST(self) -> None:
        self._answer({"access_token": "opaque", "token_type": "Bearer"})

    def do_GET(self) -> None:
        self._answer({"sub": "somebody"})

    def _answer(self, body: dict[str, str]) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Serving:
    """The deployed API.

    Attributes:
        deployed: The stack below it.
        outputs: Those of its own stack.
        token: Of somebody whom the issuer knows.
    """

    deployed: Deployed
    outputs: dict[str, str]
    token: str

    def ask(
        self, prefix: str, address: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request to the emulator; `prefix` is its path of an entrance."""
        place = urlsplit(self.deployed.ministack.url)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=LONGEST_S)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(
                "GET" if body is None else "POST",
                prefix + address,
                content,
                {"content-type": "application/json", **(headers or {})},
            )
            reply = connection.getresponse()
            named = {name.lower(): value for name, value in reply.getheaders()}
            return Reply(reply.status, named, reply.read())
        finally:
            connection.close()

    def check(self, prefix: str, headers: Mapping[str, str] | None = None) -> None:
        """Look an entity up and classify items."""
        found = self.ask(prefix, ENTITY, headers=headers)
        assert found.status == 200, found
        assert (found.json()["today"]["cluster"], found.json()["day"]) == (_label(NAMES[3]), DAY)
        answer = self.ask(prefix, CLASSIFY, ITEMS, headers)
        assert answer.status == 200, answer
        assert [one["cluster"] for one in answer.json()["predictions"]] == [_label(NAMES[3]), -1]


def _label(name: str) -> int:
    # Clusters are numbered by size and then by their first point: even numbers are at 0, odd ones at 10.
    return int(name.removeprefix("e")) % 2


# Once for each worker of xdist, as the emulator is: a worker can return to this file after another one, and
# would find the names taken if it set these up again.
@pytest.fixture(scope="session")
def provider() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Provider) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def published(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A day with an index, in the warehouse of the stack."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "CLUSTER_"))]:
            patch.delenv(name)
        patch.setenv("CLUSTER_HOME", str(folder / "home"))
        warehouse = compute_day(folder)
        outputs = deployed.outputs()
        for name, value in deployed.ministack.environment.items():
            patch.setenv(name, value)
        patch.setenv("CLUSTER_TARGET", "aws")
        patch.setenv("CLUSTER_AWS_BUCKET", outputs["ClusterAwsBucket"])
        patch.setenv("CLUSTER_AWS_DATABASE", outputs["ClusterAwsDatabase"])
        publish_day(warehouse, *open_storage(load_settings()))


@pytest.fixture(scope="session")
def serving(deployed: Deployed, published: None, provider: str) -> Serving:
    """The API with every entrance."""
    pool, token, audience = _log_in(deployed)
    stream = deployed.client("kinesis")
    stream.create_stream(StreamName="items", ShardCount=1)
    vpc = deployed.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        deployed.client("ec2").create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"]
        for number in range(2)
    ]
    secret = deployed.client("secretsmanager").create_secret(Name="login", SecretString="guards-nothing")
    parameters = {
        "EnvironmentName": "dev",
        "LogDays": "7",
        "AlarmTopicArn": deployed.client("sns").create_topic(Name="alarms")["TopicArn"],
        "TokenIssuer": pool,
        "TokenAudience": audience,
        "FunctionUrl": "true",
        "ItemQueue": "true",
        "KinesisStreamArn": stream.describe_stream(StreamName="items")["StreamDescription"]["StreamARN"],
        "LoadBalancer": "true",
        "RequestsPerAddress": "0",  # the emulator has no association of a firewall
        "VpcId": vpc,
        "SubnetIds": ",".join(subnets),
        "CertificateArn": deployed.client("acm").request_certificate(DomainName="x.example")[
            "CertificateArn"
        ],
        "LoginAuthorizationUrl": f"{provider}/authorize",
        "LoginTokenUrl": f"{provider}/token",
        "LoginUserInfoUrl": f"{provider}/people",
        "LoginClientId": "balancer",
        "LoginSecretArn": secret["ARN"],
        "Start": "provisioned",
    }
    deployed.sam(
        *("deploy", "--template-file", "deploy/serving.yaml"),
        *("--config-file", str(deployed.project / "samconfig.toml"), "--config-env", "dev-serving"),
        *("--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())),
    )
    outputs = deployed.outputs(STACK)
    _complete_balancer(deployed, outputs["FunctionArn"], provider)
    return Serving(deployed, outputs, token)


def _complete_balancer(deployed: Deployed, function: str, provider: str) -> None:
    """Set what the emulator drops from the template: the target, and the addresses of the login."""
    balancer = deployed.client("elbv2")
    group = balancer.describe_target_groups(Names=["cluster-api-dev"])["TargetGroups"][0]["TargetGroupArn"]
    balancer.register_targets(TargetGroupArn=group, Targets=[{"Id": function}])
    arn = balancer.describe_load_balancers(Names=["cluster-assets-dev"])["LoadBalancers"][0][
        "LoadBalancerArn"
    ]
    listener = balancer.describe_listeners(LoadBalancerArn=arn)["Listeners"][0]
    login, forward = listener["DefaultActions"]
    assert (login["Type"], forward["Type"]) == ("authenticate-oidc", "forward")
    login["AuthenticateOidcConfig"] = {
        "Issuer": provider,
        "AuthorizationEndpoint": f"{provider}/authorize",
        "TokenEndpoint": f"{provider}/token",
        "UserInfoEndpoint": f"{provider}/people",
        "ClientId": "balancer",
        "ClientSecret": PASSWORD,
    }
    balancer.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=[login, forward])


def _log_in(deployed: Deployed) -> tuple[str, str, str]:
    """The issuer, a token of it, and its audience."""
    cognito = deployed.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="api", ExplicitAuthFlows=["ADMIN_NO_SRP_AUTH"]
    )["UserPoolClient"]["ClientId"]
    cognito.admin_create_user(UserPoolId=pool, Username="somebody")
    cognito.admin_set_user_password(UserPoolId=pool, Username="somebody", Password=PASSWORD, Permanent=True)
    told = cognito.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=client,
        AuthFlow="ADMIN_NO_SRP_AUTH",
        AuthParameters={"USERNAME": "somebody", "PASSWORD": PASSWORD},
    )
    token = told["AuthenticationResult"]["IdToken"]
    return (
        f"https://cognito-idp.{pool.partition('_')[0]}.amazonaws.com/{pool}",
        token,
        client,
    )


def test_the_http_api_answers_those_with_a_token(serving: Serving) -> None:
    api = urlsplit(serving.outputs["HttpApiUrl"]).netloc.partition(".")[0]
    prefix = f"/_aws/execute-api/{api}/$default"
    assert serving.ask(prefix, "/health").json() == {"status": "ok", "days": {PIPELINE: DAY}}
    assert serving.ask(prefix, "/").headers["content-type"] == "text/html; charset=utf-8"
    for headers in ({}, {"authorization": "Bearer x.y.z"}):
        assert serving.ask(prefix, ENTITY, headers=headers).status == 401
    serving.check(prefix, {"authorization": f"Bearer {serving.token}"})


def test_the_load_balancer_answers_after_a_login(serving: Serving) -> None:
    prefix = "/_alb/cluster-assets-dev"
    assert serving.ask(prefix, "/health").status == 200
    asked = serving.ask(prefix, ENTITY)
    assert asked.status == 302
    state = parse_qs(urlsplit(asked.headers["location"]).query)["state"][0]
    back = serving.ask(prefix, f"/oauth2/idpresponse?code=1&state={state}")
    assert back.status == 302, back
    cookie = back.headers["set-cookie"].partition(";")[0]
    serving.check(prefix, {"cookie": cookie})


def test_the_function_url_answers(serving: Serving) -> None:
    url = urlsplit(serving.outputs["FunctionUrl"]).netloc.partition(".")[0]
    prefix = f"/_aws/lambda-url/{url}"
    assert serving.ask(prefix, ENTITY).status == 403
    serving.check(prefix, _signature(serving.outputs["FunctionUrl"] + ENTITY.removeprefix("/")))


def _signature(url: str) -> dict[str, str]:
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials(ACCOUNT, "guards-nothing"), "lambda", REGION).add_auth(request)
    return dict(request.headers.items())


def test_a_rest_api_before_the_function_answers(serving: Serving) -> None:
    # The template has none; the handler knows its events.
    client = serving.deployed.client("apigateway")
    api = client.create_rest_api(name="clusters")["id"]
    root = client.get_resources(restApiId=api)["items"][0]["id"]
    proxy = client.create_resource(restApiId=api, parentId=root, pathPart="{proxy+}")["id"]
    client.put_method(restApiId=api, resourceId=proxy, httpMethod="ANY", authorizationType="NONE")
    function = serving.outputs["FunctionArn"]
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"
    client.put_integration(
        restApiId=api,
        resourceId=proxy,
        httpMethod="ANY",
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=uri,
    )
    client.create_deployment(restApiId=api, stageName="live")
    serving.check(f"/_aws/execute-api/{api}/live")


def test_a_queue_and_a_stream_are_classified(serving: Serving) -> None:
    sqs, kinesis = serving.deployed.client("sqs"), serving.deployed.client("kinesis")
    sqs.send_message(QueueUrl=serving.outputs["ItemQueueUrl"], MessageBody=json.dumps(ITEMS))
    kinesis.put_record(StreamName="items", Data=json.dumps(ITEMS).encode(), PartitionKey="1")
    results: list[Any] = []

    def both() -> bool:
        found = sqs.receive_message(QueueUrl=serving.outputs["ResultQueueUrl"], MaxNumberOfMessages=10)
        results.extend(json.loads(one["Body"]) for one in found.get("Messages", ()))
        return len({one["record"] for one in results}) == 2

    wait_for("both results are in the queue", both)
    for result in results:
        assert (result["pipeline"], result["day"]) == (PIPELINE, DAY)
        assert [one["cluster"] for one in result["predictions"]] == [_label(NAMES[3]), -1]
