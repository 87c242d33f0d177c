"""The models that have tags by django-taggit: their links, and their names in the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.contenttypes.models import ContentType

from tagsweep.producer.django import configuration
from tagsweep.worker.mapping import file
from tagsweep.worker.mapping.presets import resource_name


@dataclass(frozen=True, slots=True)
class Tagged:
    """A model with tags."""

    model: Any
    through: Any  #: the model of its links

    @property
    def resource(self) -> str | None:
        """The name of its resources in the map; None if the map has none for it."""
        named = configuration.read()["RESOURCES"].get(self.model._meta.label)
        mapping = file.load()
        if mapping is None:
            return None
        name = named or resource_name(self.model._meta.model_name, {})
        return name if name in mapping.resources else None

    def unknown(self, names: Sequence[str]) -> list[str]:
        """Return those of ``names`` that are no tags."""
        tags = self.through.tag_model()._default_manager.using(configuration.alias())
        known = set(tags.filter(name__in=names).values_list("name", flat=True))
        return [name for name in names if name not in known]

    def count(self, objects: Any, names: Sequence[str]) -> int:
        """Return how many links there are between these objects and tags."""
        links = self.through._default_manager.using(configuration.alias())
        links = links.filter(tag__name__in=names)
        keys = objects.order_by().values("pk")
        if any(field.name == "object_id" for field in self.through._meta.get_fields()):
            type_ = ContentType.objects.get_for_model(self.model)
            return int(links.filter(content_type=type_, object_id__in=keys).count())
        return int(links.filter(content_object__in=keys).count())


def of(model: Any) -> Tagged | None:
    """Return a model's tags; None if it has no manager of django-taggit's."""
    for field in model._meta.many_to_many:
        through = field.remote_field.through
        if hasattr(through, "tag_model"):
            return Tagged(model, through)
    return None
