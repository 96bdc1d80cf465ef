"""The lake of the Bluesky firehose as a library: load, search, export, SQL, status and the cached views."""
