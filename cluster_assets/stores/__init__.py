"""Object stores: one class each behind `ports.ObjectStore`."""
