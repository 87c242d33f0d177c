"""Single tags of workspaces, each with its own value, as an undo changes them."""
