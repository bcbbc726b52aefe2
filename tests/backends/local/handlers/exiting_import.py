"""Ends the process while it is imported."""

import os

print("leaving early", flush=True)
os._exit(7)
