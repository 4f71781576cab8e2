import acme_parchment  # type: ignore[import-not-found] # noqa: F401

from . import Paper

__all__ = ["Paper"]
