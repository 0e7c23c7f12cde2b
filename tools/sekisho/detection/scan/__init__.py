"""Which rules could match a record, told by its text alone: what could not match is never parsed.

`need` says what a text must have, `witness` derives that from a rule, `automaton` finds it, `plan` chooses what to look
for, and `scanner` is the front door. Whether a rule does match is decided by `evaluate` alone.
"""
