"""The version of Bluelake. The wheel takes it from here, and each commit of the lake says it."""

VERSION = "0.1.0"
