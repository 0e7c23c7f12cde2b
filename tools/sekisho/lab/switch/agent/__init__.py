"""The port agent: what a bought access switch has in its firmware. Standard library only; it runs in the switch."""
