"""What the lake must hold, from the simulator's ledger alone, and what it does hold, read from the Delta log itself.

The oracle shares no code with the pipeline that it judges.
"""
