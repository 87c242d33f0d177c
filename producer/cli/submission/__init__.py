"""From a valid job to its end: recorded, waited for, shown; shared by commands that submit."""
