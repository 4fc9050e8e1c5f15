"""One self-contained HTML page about a run: how it learned, what it became, and what that costs."""

from .page import build

__all__ = ["build"]
