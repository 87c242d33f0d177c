"""The routes: one module for each resource or contract."""
