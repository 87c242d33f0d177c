"""The console, as people and their browsers meet it."""
