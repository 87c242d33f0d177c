"""The tags of a tenant, wherever they are: in the store, or behind a gateway."""

from tagsweep.worker.errors import NameTaken

#: what is wrong with a name that another tag has, and with the new name of a tag
TAKEN = str(NameTaken())
TAKEN_BY_ANOTHER = f"{TAKEN} To join the two: tagsweep merge."
