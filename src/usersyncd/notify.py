"""Notifies systemd of the daemon's state: sd_notify(3), by datagrams to ``$NOTIFY_SOCKET``. If that is not set, nothing
is sent.

No library is used: ``sdnotify`` has had no release since 2017 and supports neither the watchdog's interval nor
reloading; ``systemd-python`` and ``cysystemd`` need a compiler and libsystemd.
"""

from __future__ import annotations

import os
import socket
import time

from usersyncd.cleaning import clean


def ready(text: str) -> None:
    """Report that the daemon has started, or that a reload has ended."""
    _send("READY=1", _status(text))


def status(text: str) -> None:
    """Send a line that ``systemctl status`` shows."""
    _send(_status(text))


def reloading() -> None:
    """Report that a reload begins; :func:`ready` reports its end. ``Type=notify-reload`` requires the time
    (sd_notify(3), RELOADING=1)."""
    _send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping(text: str) -> None:
    """Report that the daemon is ending."""
    _send("STOPPING=1", _status(text))


def watchdog() -> None:
    """Send the keep-alive message, which is due every :func:`watchdog_interval` seconds."""
    _send("WATCHDOG=1")


def watchdog_interval() -> float | None:
    """Seconds between two keep-alive messages: half of the unit's ``WatchdogSec``, as sd_watchdog_enabled(3) advises.
    None when systemd expects none from this process."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 2_000_000


def _status(text: str) -> str:
    return "STATUS=" + clean(" ".join(text.split()))


def _send(*assignments: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # an abstract socket, see unix(7)
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(1)
        try:
            manager.sendto("\n".join(assignments).encode(), address)
        except OSError:
            return  # systemd does not listen: the daemon continues
