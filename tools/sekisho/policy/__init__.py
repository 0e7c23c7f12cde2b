"""Typed models of the files under `policies/`, one module a file; unknown keys are refused."""
