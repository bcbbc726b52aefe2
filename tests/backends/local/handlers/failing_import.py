"""Fails while it is imported."""

raise OSError("the model file is gone")
