"""Alerts that are kept, each once; and the matches with which correlations wait."""
