"""What somebody types to change tags of the objects that are selected."""

from __future__ import annotations

import csv
from typing import Any

from django import forms

from tagsweep.producer.django.tagged import Tagged

MOST_NAMES = 1_000


class TagsForm(forms.Form):
    """Names of tags, and why."""

    names = forms.CharField(
        label="Tags",
        help_text="Names, separated by commas; a name with a comma in double quotes.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    note = forms.CharField(
        label="Note",
        required=False,
        max_length=500,
        help_text="Why; it stays with the job.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )

    def __init__(self, tagged: Tagged, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tagged = tagged

    def clean_names(self) -> list[str]:
        """Return the names, each once; raises ValidationError."""
        row = next(csv.reader([self.cleaned_data["names"]], skipinitialspace=True), [])
        names = list(dict.fromkeys(name for each in row if (name := each.strip())))
        if not names:
            raise forms.ValidationError("Give the name of a tag.")
        if len(names) > MOST_NAMES:
            raise forms.ValidationError(f"Give at most {MOST_NAMES} names.")
        if unknown := self._tagged.unknown(names):
            listed = ", ".join(f'"{name}"' for name in unknown[:10])
            raise forms.ValidationError(f"There is no tag {listed}.")
        return names
