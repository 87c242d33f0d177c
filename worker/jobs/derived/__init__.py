"""Jobs that follow from another: an undo of what it did, a run of what it has previewed."""
