"""Benchmarks: the product beside the strongest peers, each result checked against theirs."""
