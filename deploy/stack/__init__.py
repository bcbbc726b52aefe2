"""The deployed stack: its settings, protection and removal."""
