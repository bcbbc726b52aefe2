"""Structures that find the near points of an item, one module each, with exact distances."""
