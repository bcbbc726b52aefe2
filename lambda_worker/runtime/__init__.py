"""The runtime of every operation: deadline, memory, storage, stored replies."""
