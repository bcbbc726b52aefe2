"""Commands that write, rename and remove pipelines and their sample data."""
