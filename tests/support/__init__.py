"""What several test modules share. Fixtures are in the `conftest.py` files; a test module imports no other one.

| module | holds |
|---|---|
| `paths` | the repository's root and the sample of real frames |
| `cases` | names of a parametrized test's cases |
| `processes` | ports, environments, child processes, waiting |
| `faults` | kills at a chosen call, and what a power loss leaves of a file |
| `frames` | frames of the wire, made by hand |
| `expected` | the columns that a real frame becomes, worked out in plain Python |
| `redis` | a Redis process |
| `buffers` | putting frames and notices into a buffer |
| `rows` | rows of the lake's tables, made by hand |
| `lakes` | writing rows into a lake without Redis and drain, and reading a lake |
| `snapshots` | homes that several tests start from, made once |
| `gaps` | notices of gaps, and the gaps that a lake shows |
| `jetstream_host` | a Jetstream host inside the test's process |
| `ingester` | a running ingester, and the frames that it is given |
| `simulator` | a running simulator, its clients and its ledger |
| `oracle` | ledgers, rows and Delta tables for the oracle, by code that shares nothing with the lake's |
| `published` | reading published views |
| `compose` | `docker-compose.yml`, parsed |
| `stack` | `bluelake up` with all its processes |
"""
