"""Calls to the worker: dispatch, invocations and the tables cached for them."""
