"""Stage `candidates`: finds all pairs of points within the threshold."""
