"""Store, catalog and worker on this machine."""
