"""The numbered steps by which a store comes to this version's schema (Alembic)."""
