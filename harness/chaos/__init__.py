"""The chaos harness: the real processes under every fault that one machine can produce, and an oracle of what they lose."""
