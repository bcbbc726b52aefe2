"""Distances: of listed pairs, of whole matrices, and bounds."""
