"""Waves, gates, the crossing and its undoing."""
