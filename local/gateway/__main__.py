"""Run the gateway's command line. See `local.gateway` for what it does."""

from __future__ import annotations

import argparse
import asyncio
import functools
import logging
import resource
import signal
from collections.abc import Sequence

from aiohttp import web

from local.gateway.apis import REGION_API_PREFIX, Apis
from local.gateway.callers import Callers
from local.gateway.control import Control
from local.gateway.counters import Counters
from local.gateway.cuts import Cuts
from local.gateway.faults import Faults
from local.gateway.hanging import Hanging
from local.gateway.launch import EAST, WEST
from local.gateway.limits import SizeLimits
from local.gateway.locks import KeyLocks
from local.gateway.memory import ObjectMemory
from local.gateway.multipart import Uploads
from local.gateway.owners import Owners
from local.gateway.replication import Replication
from local.gateway.replicator import Replicator
from local.gateway.routing import Router, RoutingTimes
from local.gateway.rules import Rules
from local.gateway.s3state import S3State
from local.gateway.server import Gateway
from local.gateway.upstream import Upstream

_HOST = "127.0.0.1"
# Longer than any SDK keeps an idle connection, so that the client always closes first.
_KEEPALIVE_SECONDS = 3600.0
_LINE_MAX_BYTES = 128 * 1024
_BACKLOG = 1024
_SHUTDOWN_SECONDS = 1.0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    defaults = SizeLimits()
    parser = argparse.ArgumentParser(prog="python -m local.gateway", description="The gateway of the local cloud.")
    parser.add_argument("--upstream", required=True, metavar="URL", help="the emulator, http://127.0.0.1:PORT")
    parser.add_argument("--listen", required=True, action="append", type=_listener, metavar="NAME=PORT")
    parser.add_argument("--routing-scale", type=float, default=1.0, help="health checks and TTL, so many times as fast")
    parser.add_argument("--part-min-bytes", type=int, default=defaults.part_min)
    parser.add_argument("--copy-max-bytes", type=int, default=defaults.copy_max)
    parser.add_argument("--range-source-min-bytes", type=int, default=defaults.range_source_min)
    return parser.parse_args(argv)


def _listener(text: str) -> tuple[str, int]:
    name, equals, port = text.partition("=")
    if not name or not equals or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PORT")
    return name, int(port)


def _build(
    arguments: argparse.Namespace, upstream: Upstream, owners: Owners, hanging: Hanging
) -> tuple[Gateway, Apis, Replicator]:
    limits = SizeLimits(arguments.part_min_bytes, arguments.copy_max_bytes, arguments.range_source_min_bytes)
    uploads, replicator = Uploads(), Replicator(upstream, Replication([WEST, EAST]))
    state = S3State(upstream, KeyLocks(), ObjectMemory(), uploads, Callers(upstream), owners, limits)
    cuts, faults = Cuts(), Faults()
    apis = Apis(upstream, Router(WEST, EAST, RoutingTimes.scaled(arguments.routing_scale)), cuts, faults)
    names = [name for name, _ in arguments.listen]
    regions = frozenset(name for name in names if REGION_API_PREFIX + name in names)
    control = Control(Counters(), faults, cuts, apis, replicator, uploads, regions)
    return Gateway(control, apis, Rules(state, replicator), hanging), apis, replicator


async def _run(arguments: argparse.Namespace) -> None:
    upstream = Upstream(arguments.upstream)
    await upstream.open()
    await upstream.detect_auth()
    hanging = Hanging()
    gateway, apis, replicator = _build(arguments, upstream, Owners(await upstream.default_account()), hanging)
    runners = []
    for name, port in arguments.listen:
        server = web.Server(
            functools.partial(gateway.serve, name),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            max_line_size=_LINE_MAX_BYTES,
            max_field_size=_LINE_MAX_BYTES,
            read_bufsize=1024 * 1024,
        )
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        await web.TCPSite(runner, _HOST, port, backlog=_BACKLOG).start()
        runners.append(runner)
    endless = [
        asyncio.create_task(work)
        for work in (apis.check_forever(), replicator.deliver_forever(), hanging.watch_forever())
    ]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    for task in endless:
        task.cancel()
    for runner in runners:
        await runner.cleanup()
    await upstream.close()


def main(argv: Sequence[str] | None = None) -> None:
    # Each request that hangs holds a connection, and there may be thousands.
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_run(_arguments(argv)))


if __name__ == "__main__":
    main()
