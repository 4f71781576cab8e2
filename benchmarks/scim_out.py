"""Creates of the target scim, against the quota of a service provider that takes 20 ms for each request.

``python -m benchmarks.scim_out [USERS]``: 1,000 users by default, 10,000 for the figure of the documents. The floor is
the time that the quota alone requires. The ratio must stay below 1.1.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from usersyncd.http_client import Clock
from usersyncd.plugin import Change, Kind, Lookup, Op, Value
from usersyncd.testing import target_context
from usersyncd_scim import ScimTarget
from usersyncd_scim.options_target import ScimTargetOptions

LATENCY = 0.02
PER_MINUTE = 6_000
ALLOWED = 1.1
BATCH = 2_000


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer requests after the latency: each POST with an id, each listing with nobody."""
    number = 0
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                ),
                0,
            )
            await reader.readexactly(length)
            await asyncio.sleep(LATENCY)
            number += 1
            created = head.startswith(b"POST")
            body = b'{"id": "%d-%d"}' % (id(writer), number) if created else b'{"totalResults": 0, "Resources": []}'
            status = b"201 Created" if created else b"200 OK"
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionResetError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


def creates(users: int) -> Sequence[Change]:
    shapes: list[dict[str, Value]] = [
        {"id": f"u{n}", "userName": f"user{n}", "email": f"user{n}@acme.example", "givenName": "Ada", "active": True}
        for n in range(users)
    ]
    return [Change(Op.CREATE, Kind.USER, "acme", f"u{n}", f"u{n}", None, dict(shape)) for n, shape in enumerate(shapes)]


async def delivered(users: int, folder: Path) -> float:
    """Deliver to a provider in this process; the seconds from the first lookup to the last outcome."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (folder / "token").write_text("token-of-the-benchmark")
    options = ScimTargetOptions.model_validate(
        {"url": f"http://127.0.0.1:{port}", "token": {"file": "token"}, "rates": {"users": f"{PER_MINUTE}/min"}}
    )
    target = ScimTarget(options, target_context(folder, directories=("acme",), clock=Clock()))
    changes = creates(users)
    began = time.perf_counter()
    lookups = [Lookup("acme", change.id, change.key) for change in changes]
    assert not [found async for found in target.find(Kind.USER, lookups)]
    for start in range(0, users, BATCH):
        outcomes = [outcome async for outcome in target.deliver(changes[start : start + BATCH])]
        assert all(outcome.target_id for outcome in outcomes)
    seconds = time.perf_counter() - began
    await target.close()
    server.close()
    return seconds


def main() -> None:
    users = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    with tempfile.TemporaryDirectory() as folder:
        seconds = asyncio.run(delivered(users, Path(folder)))
    floor = users / PER_MINUTE * 60
    ratio = seconds / floor
    print(f"{users:,} creates at {LATENCY * 1000:.0f} ms: {seconds:.1f} s; the quota {floor:.1f} s; ratio {ratio:.2f}")
    if ratio > ALLOWED:
        sys.exit(f"more than {ALLOWED} of the quota")


if __name__ == "__main__":
    main()
