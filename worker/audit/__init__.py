"""Who did what: what people do later with jobs, keys and the rest, beside the jobs themselves."""
