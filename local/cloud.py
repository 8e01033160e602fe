"""Run both Regions on this machine: the emulator, the gateway, and one stack of the product in each Region.

    with Cloud("demo") as cloud:
        cloud.client("s3").put_object(Bucket=cloud.regions["west"].source_bucket, ...)

Everything is a child process that dies with this one. Call `start` from the main thread: the kernel ties a child's life
to the thread that started it.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from local import package
from local.deploy import ACCESS_KEY_ID, CLIENT_CONFIG, REGIONS, SECRET_ACCESS_KEY, Deployer, Stack, session
from local.function_site.sitecustomize import LOG_DIRECTORY
from local.gateway.client import control
from local.gateway.launch import EAST, WEST, GatewayHandle, Ports, launch_gateway
from local.gateway.process import ServerProcess, StartError, free_port
from local.issuer import ISSUER, Issuer, auth_json
from local.keyserver import KeyServer
from local.ministack import launch_ministack
from local.package import REPOSITORY
from local.run import Run
from local.wait import WaitError, wait_until

SIDES: Mapping[str, str] = {"west": WEST, "east": EAST}
_PORT_TRIES = 3
_LOOPBACK = '["127.0.0.0/8"]'
"""The network in which webhooks' receivers are on this machine."""
_HEALTHY_S = 60.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

T = TypeVar("T")
OnPhase = Callable[[str, float], None]


class CloudError(RuntimeError):
    """The local cloud did not come up. The message says why and where to look."""


@dataclass(frozen=True)
class RegionInfo:
    """The addresses and buckets of one Region."""

    api_url: str
    region: str
    source_bucket: str
    target_bucket: str
    control_bucket: str


def _ignore(_phase: str, _seconds: float) -> None:
    pass


class Cloud:
    """A local cloud.

    `policy` overrides the product's times, sizes and limits (see `chalicelib.core.policy`). `parameters` overrides any
    parameter of template.yaml. `enforce_iam` makes the emulator enforce every function's role policy. `on_phase` is
    called with each phase of the start-up and its duration in seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        project: Path = REPOSITORY,
        policy: Mapping[str, int] | None = None,
        parameters: Mapping[str, str] | None = None,
        routing_scale: float = 1.0,
        enforce_iam: bool = False,
        on_phase: OnPhase = _ignore,
    ) -> None:
        self.run = Run(name)
        self.regions: dict[str, RegionInfo] = {}
        """The keys are "west" and "east". Empty until started."""
        self._project = project
        self._parameters = {"PolicyJson": json.dumps(policy or {}), **(parameters or {})}
        self._routing_scale = routing_scale
        self._enforce_iam = enforce_iam
        self._on_phase = on_phase
        self._emulator: ServerProcess | None = None
        self._gateway: GatewayHandle | None = None
        self._key_server: KeyServer | None = None

    # ---- use -------------------------------------------------------------------------------------------------------

    @property
    def endpoint_url(self) -> str:
        """The URL of AWS for clients."""
        return self._started_gateway().aws_url

    @property
    def api_url(self) -> str:
        """The URL of the product's one API name, which fails over."""
        return self._started_gateway().api_url

    def token(self, *, tenant: str = "demo", scope: str = "read write administer operate") -> str:
        """Return a bearer token that both Regions accept."""
        self._started_key_server()
        return Issuer.load(self.run.issuer_file).token(tenant=tenant, scope=scope)

    @property
    def certificate(self) -> tuple[Path, Path]:
        """The certificate and private key of a server that the functions trust. A webhook's receiver may use them
        too."""
        keys = self._started_key_server()
        return keys.certificate, keys.private

    def client(self, service: str, region: str = WEST) -> Any:  # noqa: ANN401 - any of boto3's clients
        """Return a boto3 client of the emulated account, through the gateway."""
        make: Any = session(region).client
        return make(service, endpoint_url=self.endpoint_url, config=CLIENT_CONFIG)

    def settings(self) -> dict[str, Any]:
        """Return the contents of `out/local.json`."""
        emulator = self._started_emulator()
        return {
            "endpoint_url": self.endpoint_url,
            "api_url": self.api_url,
            "regions": {side: asdict(info) for side, info in self.regions.items()},
            "token": self.token(),
            "emulator": {"url": emulator.base_url, "pid": emulator.pid},
            "access_key_id": ACCESS_KEY_ID,
            "secret_access_key": SECRET_ACCESS_KEY,
        }

    def processes(self) -> list[ServerProcess]:
        """Return the child processes, for a supervisor."""
        gateway = [self._gateway.process] if self._gateway else []
        return ([self._emulator] if self._emulator else []) + gateway

    # ---- start and stop --------------------------------------------------------------------------------------------

    def __enter__(self) -> Cloud:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything, and return when both Regions' /health answer 200. After any failure, Ctrl-C included,
        nothing is left running."""
        self.run.claim()
        try:
            self._start()
        except (StartError, WaitError) as error:
            self.stop()
            raise CloudError(f"{error}\nLogs: {self.run.folder}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything. Idempotent. The processes are killed without a chance to finish: the emulator's state is
        thrown away anyway."""
        for process in reversed(self.processes()):
            process.popen.kill()
            process.stop()
        if self._key_server is not None:
            self._key_server.stop()
        self._emulator = self._gateway = self._key_server = None
        self.run.release()

    def _start(self) -> None:
        with self._phase("package") as phase:
            built = package.build(self._project)
            phase("package (unchanged)" if built.cached else "package")
        with self._phase("emulator"):
            self._emulator = emulator = self._start_emulator()
        with self._phase("gateway"):
            self._gateway = gateway = self._start_gateway(emulator.base_url)
        Issuer.create(self.run.issuer_file)
        self._key_server = keys = KeyServer(self.run.issuer_file, self.run.folder)
        deployer = Deployer(built, emulator.base_url, keys.certificate)
        with self._phase("deploy West and East"):
            stacks = self._deploy(
                deployer,
                gateway,
                {"AuthJson": auth_json(keys.url), "WebhookNetworksJson": _LOOPBACK, **self._parameters},
            )
        with self._phase("both Regions healthy"), ThreadPoolExecutor(len(stacks)) as side_by_side:
            list(side_by_side.map(partial(self._await_health, emulator), stacks.values()))
        with self._phase("issuer's keys in both"), ThreadPoolExecutor(len(stacks)) as side_by_side:
            list(side_by_side.map(lambda stack: deployer.learn_keys(stack, ISSUER), stacks.values()))
        # The APIs are registered only now: the gateway's own health checks would make the emulator start more processes
        # of functions that are still starting.
        _register(gateway, stacks)
        self.regions = {side: _region_info(gateway, stacks[region]) for side, region in SIDES.items()}

    @contextmanager
    def _phase(self, name: str) -> Iterator[Callable[[str], None]]:
        """Report how long the block took. The block may rename the phase."""
        names = [name]
        started_s = time.monotonic()
        yield names.append
        self._on_phase(names[-1], time.monotonic() - started_s)

    def _start_emulator(self) -> ServerProcess:
        binary = REPOSITORY / ".venv-cloud" / "bin" / "ministack"
        if not binary.is_file():
            raise CloudError(f"{binary} is not there: use `make up` or `make demo`, which install it first")
        env = {
            "PYTHONPATH": str(Path(__file__).parent / "function_site"),
            "TMPDIR": str(self.run.scratch),
            LOG_DIRECTORY: str(self.run.function_logs),
            "LAMBDA_EXECUTOR": "local",
            "LOG_LEVEL": "WARNING",
            "AUTH": "true" if self._enforce_iam else "false",
        }
        return _on_free_ports(lambda: launch_ministack(binary, free_port(), env, directory=self.run.folder))

    def _start_gateway(self, upstream: str) -> GatewayHandle:
        return _on_free_ports(
            lambda: launch_gateway(upstream, Ports.free(), directory=self.run.folder, routing_scale=self._routing_scale)
        )

    def _deploy(self, deployer: Deployer, gateway: GatewayHandle, parameters: Mapping[str, str]) -> dict[str, Stack]:
        tables = deployer.deploy_tables()
        control(gateway.aws_url, "PUT", "replication", {"tables": tables})
        stacks = {
            region: deployer.deploy_stack(region, gateway.functions_url(region), parameters) for region in REGIONS
        }
        for region in REGIONS:
            deployer.start_event_sources(region)
        return stacks

    def _await_health(self, emulator: ServerProcess, stack: Stack) -> None:
        last_answer = ["no answer"]

        def healthy() -> bool:
            if not emulator.alive:
                raise CloudError(f"ministack ended; the end of {emulator.log_path}:\n{emulator.log_tail()}")
            status, last_answer[0] = _get(f"{emulator.base_url}{stack.api_path}/health")
            return status == 200

        try:
            wait_until(healthy, f"{stack.region}: /health answers 200", _HEALTHY_S)
        except WaitError as error:
            log = self.run.function_logs / stack.region / "api.log"
            raise CloudError(f"{error}. Its last answer: {last_answer[0]}\nThe function's log: {log}") from error

    def _started_key_server(self) -> KeyServer:
        if self._key_server is None:
            raise CloudError("the local cloud is not started")
        return self._key_server

    def _started_emulator(self) -> ServerProcess:
        if self._emulator is None:
            raise CloudError("the local cloud is not started")
        return self._emulator

    def _started_gateway(self) -> GatewayHandle:
        if self._gateway is None:
            raise CloudError("the local cloud is not started")
        return self._gateway


def _register(gateway: GatewayHandle, stacks: Mapping[str, Stack]) -> None:
    """Tell the gateway where each Region's API is. This starts its health checks."""
    control(gateway.aws_url, "PUT", "apis", {region: {"path": stack.api_path} for region, stack in stacks.items()})


def _region_info(gateway: GatewayHandle, stack: Stack) -> RegionInfo:
    return RegionInfo(
        api_url=gateway.region_api_url(stack.region),
        region=stack.region,
        source_bucket=stack.source_bucket,
        target_bucket=stack.target_bucket,
        control_bucket=stack.control_bucket,
    )


def _on_free_ports(start: Callable[[], T]) -> T:
    """Call `start`, which picks free ports. Retry if another process has taken one before the server binds it."""
    for _ in range(_PORT_TRIES - 1):
        try:
            return start()
        except StartError as error:
            if "address already in use" not in str(error).lower():
                raise
    return start()


def _get(url: str) -> tuple[int, str]:
    try:
        with _OPENER.open(url, timeout=35) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, f"{error.code} {error.read().decode(errors='replace')[:2000]}"
    except OSError as error:
        return 0, repr(error)
