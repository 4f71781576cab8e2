"""The daemon: ``daemon.py`` puts it together, ``engine.py`` decides what runs, ``schedule.py`` when it is due."""

from usersyncd.daemon.daemon import Daemon
from usersyncd.daemon.reload import Loaded, load_jobs, log_error

__all__ = ["Daemon", "Loaded", "load_jobs", "log_error"]
