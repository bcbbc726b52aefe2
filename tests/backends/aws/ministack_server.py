"""ministack, an emulator of AWS, in its own environment; it ends with its context or with pytest."""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from athena_lake import PATIENCE
from ports import free_port
from waiting import LONGEST_S, wait_for

from cluster_assets.backends.aws.catalog import GlueCatalog, GlueConfig
from cluster_assets.backends.aws.store import S3Config, S3Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cluster_assets.backends.ports import ObjectStore

ACCOUNT = "123456789012"  # an access key of twelve digits is an account of its own
REGION = "eu-central-1"
BUCKET = "contracts"
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Ministack:
    """A running emulator.

    Attributes:
        url: The address of every service.
        python: Minor version of Python that its functions run in, whatever their runtime says.
        log: What it says.
        account: The account of its clients.
    """

    url: str
    python: str
    log: Path
    account: str = ACCOUNT

    def of_account(self, account: str) -> Ministack:
        """Return the same emulator with the clients of another account, which begins empty."""
        return replace(self, account=account)

    @property
    def environment(self) -> dict[str, str]:
        """The standard AWS environment of somebody whose AWS this is."""
        return {
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": "guards-nothing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str, region: str = REGION) -> Any:
        """A client of the account."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=self.account,
            aws_secret_access_key="guards-nothing",  # noqa: S106  # guards nothing
        )


class MinistackStorage:
    """Stores and catalogs on the emulator, for the suites of what each promises.

    Args:
        server: The emulator.
    """

    def __init__(self, server: Ministack) -> None:
        self._server = server
        self._numbers = itertools.count()

    @cached_property
    def _s3(self) -> Any:
        s3 = self._server.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        return s3

    @cached_property
    def _glue(self) -> Any:
        return self._server.client("glue")

    def store(self) -> S3Store:
        """A store in which nothing lies yet."""
        config = S3Config(bucket=BUCKET, prefix=f"store/{next(self._numbers):04d}", patience=PATIENCE)
        return S3Store(self._s3, config)

    def catalog(self, store: ObjectStore) -> GlueCatalog:
        """A catalog in a database without tables."""
        name = f"published_{next(self._numbers):04d}"
        self._glue.create_database(DatabaseInput={"Name": name})
        return GlueCatalog(self._glue, store, GlueConfig(database=name, patience=PATIENCE))


@contextmanager
def open_ministack(venv: Path, folder: Path) -> Iterator[Ministack]:
    """Start the emulator of an environment.

    Args:
        venv: Made by `make deploy-venv`.
        folder: For its state, which it forgets.
    """
    port = free_port()
    folder.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "BIND_HOST": "127.0.0.1",  # its default is every interface
        "IOT_MTLS_ENABLED": "0",
        "GATEWAY_PORT": str(port),
        # Requests to deployed APIs are not signed: what they reach belongs to this account.
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder),
    }
    log = folder / "ministack.log"
    with (
        log.open("wb") as said,
        subprocess.Popen(
            [venv / "bin" / "ministack"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  # no thread of ours holds a lock it needs
        ) as server,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, server, log)
            yield Ministack(url, _python_of(venv), log)
        finally:
            server.terminate()
            server.wait(LONGEST_S)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    def is_healthy() -> bool:
        assert server.poll() is None, f"ministack did not start: {log.read_text()}"
        try:
            with urllib.request.urlopen(f"{url}/_ministack/health", timeout=LONGEST_S) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    wait_for(f"ministack is healthy, see {log}", is_healthy)


def _python_of(venv: Path) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    told = subprocess.run([venv / "bin" / "python", "-c", code], capture_output=True, text=True, check=True)
    return told.stdout.strip()
