"""The append-only signed chain, packs made of it, and the auditor's countersignature."""
