"""Other servers' answers: over real TLS, within limits, and never from a private address."""

from __future__ import annotations

import datetime as dt
import json
import logging
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest
from asking import Client, InProcess
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cluster_assets.api.application import create_application
from cluster_assets.api.config import ApiConfig, read_config
from cluster_assets.api.enrichment.connections import Connector, SourceFailedError, is_public
from cluster_assets.api.enrichment.enricher import Enricher
from cluster_assets.api.enrichment.permissions import NotPermittedError, Permissions
from cluster_assets.api.problems import ProblemError
from lambda_worker.serving.contract import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from few_days import FewDays

HOST = "source.test"
SECRET = "secret-of-the-source"  # noqa: S105
HERE = Permissions(frozenset({HOST}), {"CLUSTER_ENRICH_KEY": SECRET})


class Told(BaseHTTPRequestHandler):
    """A server that answers as `replies` says, by the end of the path."""

    seen: ClassVar[list[tuple[str, str | None]]] = []
    release: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("x-key")))
        kind = self.path.rpartition("/")[2]
        if kind == "slow":
            self.release.wait(60)
            return
        status, body = {
            "missing": (404, b"{}"),
            "broken": (500, b"{}"),
            "text": (200, b"<html>"),
            "large": (200, b'"' + b"x" * 70_000 + b'"'),
            "deep": (200, b"[" * 60_000),
            "moved": (302, b""),
        }.get(kind, (200, json.dumps({"path": self.path}).encode()))
        self.send_response(status)
        if status == 302:
            self.send_header("location", "https://source.test/v1/elsewhere")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """The test's output is not for it."""


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, ssl.SSLContext]]:
    """The port of a real TLS server, and a context that trusts it."""
    certificate, key = _certificate(tmp_path_factory.mktemp("tls"))
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Told) as running:
        running.daemon_threads = True
        running.socket = there.wrap_socket(running.socket, server_side=True)
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running.server_address[1], ssl.create_default_context(cafile=str(certificate))
        Told.release.set()
        running.shutdown()
        thread.join()


def source(port: int, query: str = "", **values: Any) -> Source:
    usual = {"timeout_s": 1.0, "on_failure": "omit", "headers": {}, "cache_s": 300.0, "cache_entries": 1_000}
    return Source(name="owner", url=f"https://{HOST}:{port}/v1/{{entity}}{query}", **usual | values)


def to_this_machine(context: ssl.SSLContext) -> Connector:
    return Connector(lambda _host, _port: ["127.0.0.1"], lambda address: address == "127.0.0.1", context)


def test_an_answer_is_added(days: FewDays, server: tuple[int, ssl.SSLContext]) -> None:
    wanted = source(server[0], "?full=1", headers={"x-key": "CLUSTER_ENRICH_KEY"})
    days.publish("points", "2026-01-03", {"a/b é": 5.0}, sources=(wanted,))
    enricher = Enricher(HERE, to_this_machine(server[1]))
    client = Client(InProcess(create_application(days, ApiConfig(), enricher=enricher)))
    answer = client.get("/v1/points/entities", name="a/b é").json()
    path = "/v1/a%2Fb%20%C3%A9?full=1"
    assert answer["enrichment"] == {"owner": {"path": path}}
    assert (path, SECRET) in Told.seen


@pytest.mark.parametrize("kind", ["broken", "text", "large", "deep", "moved", "slow"])
def test_failures_are_left_out_or_fail(
    days: FewDays, server: tuple[int, ssl.SSLContext], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Redirects are failures too: nothing asks where they lead."""
    headers = {"x-key": "CLUSTER_ENRICH_KEY"}
    for on_failure, status in (("omit", 200), ("fail", 502)):
        one = source(server[0], timeout_s=0.3, on_failure=on_failure, headers=headers)
        days.publish("points", "2026-01-03", {kind: 5.0}, sources=(one,))
        enricher = Enricher(HERE, to_this_machine(server[1]))
        app = create_application(days, ApiConfig(), enricher=enricher)
        with caplog.at_level(logging.INFO, "cluster_assets.api"):
            answer = Client(InProcess(app)).get("/v1/points/entities", name=kind)
        assert answer.status == status
        assert answer.json().get("enrichment", {}) == {}
    assert SECRET not in caplog.text
    assert not any("elsewhere" in path for path, _ in Told.seen)


def test_what_a_source_does_not_know_is_null(days: FewDays, server: tuple[int, ssl.SSLContext]) -> None:
    enricher = Enricher(HERE, to_this_machine(server[1]))
    assert enricher.ask([source(server[0])], "missing") == {"owner": None}


def test_an_unknown_certificate_is_refused(server: tuple[int, ssl.SSLContext]) -> None:
    connector = to_this_machine(ssl.create_default_context())
    with pytest.raises(SourceFailedError, match="SSLCertVerificationError"):
        connector.ask(source(server[0]), {}, "x")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104
     "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00:ec2::254", "::ffff:10.0.0.1",
     "::ffff:93.184.215.14", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "ff02::1"],
)  # fmt: skip
def test_private_addresses_are_refused(server: tuple[int, ssl.SSLContext], address: str) -> None:
    assert not is_public(address)
    before = len(Told.seen)
    for found in ([address], ["93.184.215.14", address]):
        connector = Connector(lambda _host, _port, found=found: found, context=server[1])  # type: ignore[misc]
        with pytest.raises(SourceFailedError, match="not public"):
            connector.ask(source(server[0]), {}, "x")
    assert len(Told.seen) == before


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_are_not(address: str) -> None:
    assert is_public(address)


class Scripted(Connector):
    """A connector whose failures are switched on and off."""

    def __init__(self) -> None:
        super().__init__(context=ssl.create_default_context())
        self.asked, self.fails = list[str](), False

    def ask(self, source: Source, headers: Mapping[str, str], entity: str) -> Any:
        self.asked.append(entity)
        if self.fails:
            raise SourceFailedError("owner: status 500")
        return len(self.asked)


def test_answers_are_kept_within_bounds() -> None:
    now, connector, kept = [0.0], Scripted(), [source(443, cache_entries=2, cache_s=10)]
    enricher = Enricher(HERE, connector, lambda: now[0])
    assert [enricher.ask(kept, name)["owner"] for name in ("a", "a", "b", "a", "c", "a", "b")] == [
        1,
        1,
        2,
        1,
        3,
        1,
        4,
    ]
    now[0] = 10.0
    assert enricher.ask(kept, "b") == {"owner": 5}


def test_a_source_that_fails_rests_and_is_tried_again_once() -> None:
    now, connector, asked = [0.0], Scripted(), [source(443)]
    enricher = Enricher(HERE, connector, lambda: now[0])
    connector.fails = True
    for _ in range(20):
        assert enricher.ask(asked, "a") == {}
    assert len(connector.asked) == 5
    now[0] = 31.0
    assert enricher.ask(asked, "a") == {}
    assert enricher.ask(asked, "a") == {}
    assert len(connector.asked) == 6
    now[0], connector.fails = 62.0, False
    assert enricher.ask(asked, "a") == {"owner": 7}
    connector.fails = True
    for name in "bcdefghij":
        enricher.ask(asked, name)
    assert len(connector.asked) == 12


def test_days_with_the_same_source_share_its_cache_and_others_do_not() -> None:
    connector = Scripted()
    enricher = Enricher(HERE, connector)
    assert [enricher.ask([source(443)], "a"), enricher.ask([source(443)], "a")] == [{"owner": 1}] * 2
    assert enricher.ask([source(443, cache_s=20)], "a") == {"owner": 2}
    assert enricher.ask([], "a") == {}


@pytest.mark.parametrize(
    ("permissions", "message"),
    [
        (Permissions(), "owner: source.test is not in CLUSTER_API_ENRICH_HOSTS"),
        (
            Permissions(frozenset({"test", "a.source.test"})),
            "owner: source.test is not in CLUSTER_API_ENRICH_HOSTS",
        ),
        (Permissions(frozenset({HOST})), "owner: the environment lacks CLUSTER_ENRICH_KEY"),
    ],
)
def test_nobody_is_asked_without_permission(
    permissions: Permissions, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The environment decides, whatever is published: the log says what it lacks."""
    connector = Scripted()
    wanted = source(443, headers={"x-key": "CLUSTER_ENRICH_KEY"})
    with caplog.at_level(logging.INFO, "cluster_assets.api"):
        assert Enricher(permissions, connector).ask([wanted], "a") == {}
    assert message in caplog.text
    with pytest.raises(ProblemError) as caught:
        Enricher(permissions, connector).ask([msgspec.structs.replace(wanted, on_failure="fail")], "a")
    assert caught.value.status == 502
    assert connector.asked == []


def test_sources_receive_no_variables_but_their_own() -> None:
    environ = {
        "CLUSTER_API_ENRICH_HOSTS": f"other.test, {HOST.upper()}",
        "CLUSTER_ENRICH_KEY": SECRET,
        "AWS_SECRET": "s",
    }
    found = read_config(environ).enrichment
    assert found.hosts == {"other.test", HOST}
    assert found.headers_of(source(443, headers={"x-key": "CLUSTER_ENRICH_KEY"})) == {"x-key": SECRET}
    assert SECRET not in repr(found)
    with pytest.raises(NotPermittedError, match="AWS_SECRET"):
        found.headers_of(source(443, headers={"x-key": "AWS_SECRET"}))
