"""The commands: one module each, under the name that is typed."""
