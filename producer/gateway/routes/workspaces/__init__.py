"""The calls of the contract on tags of workspaces, one module for each sort."""
