"""What puts into the lake what it lacks: replay of a recording, backfill from a host, closing of gaps."""
