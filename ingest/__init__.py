"""The standalone ingester: Jetstream frames in, numbered flushes of chunks out."""
