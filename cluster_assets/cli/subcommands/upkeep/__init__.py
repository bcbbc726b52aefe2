"""Commands that keep what is published in order."""
