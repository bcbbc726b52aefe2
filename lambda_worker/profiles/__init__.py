"""Profiles: measures of existing clusters from distances, for every algorithm."""
