"""Terminals: the ledger of where each one is, and how it came there."""
