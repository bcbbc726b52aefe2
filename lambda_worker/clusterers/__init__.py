"""The clustering algorithms, one folder per family."""
