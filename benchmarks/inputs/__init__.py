"""Inputs of the benchmarks: seeded points, and days whose points are published."""
