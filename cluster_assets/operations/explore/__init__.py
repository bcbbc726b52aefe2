"""Explores settings of a density clustering: what every threshold and `min_samples` makes of some days."""
