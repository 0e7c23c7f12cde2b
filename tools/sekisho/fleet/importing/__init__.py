"""Reading a terminal ledger as an office exports it, and taking it over all at once or not at all."""
