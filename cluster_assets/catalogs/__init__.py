"""Catalogs of published days: one class each behind `ports.Catalog`."""
