"""Sessions, schemas, rights and plans, on PostgreSQL and SQLite."""
