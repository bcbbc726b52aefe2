"""The deployed stack: its settings, its protection, and its end."""
