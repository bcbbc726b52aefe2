"""Answers of other servers, added to those about an entity."""
