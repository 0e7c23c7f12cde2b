"""Detection: Sigma rules, which events they are for, and which of those match."""
