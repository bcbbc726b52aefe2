"""Measuring: readings of processor time, wall time and memory, and the tables that compare them."""
