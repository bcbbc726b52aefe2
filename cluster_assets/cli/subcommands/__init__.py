"""The commands, one per file, in a folder for each group; each function is named after its file."""
