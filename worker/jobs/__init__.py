"""A job's rows and its life: recorded, scheduled, counted down, ended, kept."""
