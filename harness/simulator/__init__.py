"""A Jetstream-compatible server with seeded synthetic traffic and a truth ledger.

It shares no code with the pipeline that it tests, so that one mistake cannot hide in both.
"""
