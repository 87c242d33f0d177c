"""What travels and what rests: jobs (in, imperative), events (out, past tense), tables (at rest)."""
