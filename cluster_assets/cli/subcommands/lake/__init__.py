"""Commands that read published days."""
