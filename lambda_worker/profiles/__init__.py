"""Profiles: what distances tell of clusters that stand already, whatever algorithm found them."""
