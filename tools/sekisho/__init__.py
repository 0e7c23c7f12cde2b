"""Sekisho moves local-government terminals between network tiers, in gated waves, with evidence."""

__version__ = "0.1.0"
