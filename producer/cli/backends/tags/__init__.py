"""The tags of a tenant, wherever they are: in the store, or behind a gateway."""
