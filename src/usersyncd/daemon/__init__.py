"""The daemon: ``daemon.py`` puts it together, ``engine.py`` decides what runs, ``schedule.py`` when it is due."""

from usersyncd.daemon.daemon import Daemon
from usersyncd.daemon.reload import load_jobs, log_error

__all__ = ["Daemon", "load_jobs", "log_error"]
