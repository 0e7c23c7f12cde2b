"""Formats that logs come in: each module reads one, and `reading` tells them apart."""
