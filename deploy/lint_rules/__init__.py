"""The rules of `deploy.lint`, one small function each.

G: any file; L and P3: how layers are written; Q0 to Q9: what quantise and dequantise nodes are;
Q10 to Q18: where they stand; P1, P2, P4, D1: speed on the GPU, and the DLA.
"""

from . import general, layout, pairs, placement, speed
from .core import LINT_RULES, PROFILES, Finding, OnnxGraph, Profile

__all__ = [
    "PROFILES",
    "LINT_RULES",
    "Finding",
    "OnnxGraph",
    "Profile",
    "general",
    "layout",
    "pairs",
    "placement",
    "speed",
]
