"""Alerts on events of a day: what they say, to whom they go, and which were sent."""
