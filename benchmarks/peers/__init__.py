"""The peers: what other libraries do with the same input."""
