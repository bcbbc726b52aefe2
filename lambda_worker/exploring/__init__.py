"""Explores many settings of a density clustering in one pass over the near pairs."""
