"""Commands that compute, estimate and show days."""
