"""SQL engines: one class each behind `ports.SqlEngine`."""
