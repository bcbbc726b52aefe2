"""What carries the project to AWS."""
