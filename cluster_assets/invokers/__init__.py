"""Ways to call the worker: AWS Lambda, and the same on this machine."""
