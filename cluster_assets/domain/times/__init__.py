"""Times in texts: formats, time zones, and guessed formats."""
