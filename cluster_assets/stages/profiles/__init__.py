"""Stage `profiles`: the typical properties of each cluster."""
