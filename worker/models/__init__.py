"""What travels and what rests: jobs come in, events go out, tables keep."""
