"""Everything on one machine without containers: which processes there are, their environment, and their supervisor."""
