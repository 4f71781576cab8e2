"""A fake of Google Workspace: the Admin SDK (Directory, Reports), sign-in by service account, and IAM's signJwt."""

from __future__ import annotations

from tests.fakes.google.knobs import Knob, Knobs
from tests.fakes.google.server import CALLER, Google
from tests.fakes.google.tenant import Tenant, company

__all__ = ["CALLER", "Google", "Knob", "Knobs", "Tenant", "company"]
