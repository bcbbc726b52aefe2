"""Plain values of the field: days, digests, manifests, table contracts, costs, errors."""
