"""Bluelake on one machine without containers: its processes, their environment, and their supervisor."""
