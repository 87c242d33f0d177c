"""The map: which tables of the operator's own hold tags and links, read from TAGSWEEP_MAP."""
