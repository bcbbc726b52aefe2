"""Published days: drafts, manifests, layout and garbage collection."""
