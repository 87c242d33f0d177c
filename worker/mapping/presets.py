"""Write a map for tables that are there: those of known products, or any table of links."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, text

from tagsweep.worker import database
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.mapping import catalogue
from tagsweep.worker.mapping.catalogue import Table

#: the keys of a table, as the file has them
Keys = dict[str, Any]

_SCHEMA = text("""
    SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = :table AND relkind IN ('r', 'p')
      AND nspname NOT IN ('pg_catalog', 'information_schema')
    ORDER BY NOT pg_table_is_visible(pg_class.oid), nspname LIMIT 1
""")
_KEYS = text("""
    SELECT attribute.attname AS column, namespace.nspname AS schema, relation.relname AS table,
           referred.attname AS refers
    FROM pg_constraint AS one
    JOIN pg_attribute AS attribute
        ON attribute.attrelid = one.conrelid AND attribute.attnum = one.conkey[1]
    JOIN pg_class AS relation ON relation.oid = one.confrelid
    JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    JOIN pg_attribute AS referred
        ON referred.attrelid = one.confrelid AND referred.attnum = one.confkey[1]
    WHERE one.conrelid = to_regclass(:table) AND one.contype = 'f' AND cardinality(one.conkey) = 1
    ORDER BY attribute.attnum
""")


def write(source: str) -> str:
    """Return a map of the tables of a product, or of the table of links ``source``.

    Raises SettingsError, which says what is not there.
    """
    with database.reading() as connection:
        tags, resources = PRODUCTS.get(source, _any)(connection, source)
    if not resources:
        raise SettingsError(
            f"There are no links in the tables of {source} yet: tag something first."
        )
    lines = [f"# written by: tagsweep map init --from {source}", "[tags]", *_lines(tags)]
    for name, keys in resources.items():
        lines += ["", f"[resources.{name}]", *_lines(keys)]
    return "\n".join(lines) + "\n"


def _lines(keys: Keys) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in keys.items() if value is not None]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _taggit(connection: Connection, source: str) -> tuple[Keys, dict[str, Keys]]:
    prefix = "extras" if source == "netbox" else "taggit"
    tags = _found(connection, f"{prefix}_tag")
    links = _found(connection, f"{prefix}_taggeditem")
    types = _found(connection, "django_content_type")
    used = connection.exec_driver_sql(
        f"SELECT app_label, model FROM {types.name} WHERE id IN "  # noqa: S608  # quoted
        f"(SELECT content_type_id FROM {links.name}) ORDER BY 1, 2"
    )
    resources: dict[str, Keys] = {}
    for app, model in used:
        own = f"app_label = {_literal(app)} AND model = {_literal(model)}"
        select = f"SELECT id FROM {types.name} WHERE {own}"  # noqa: S608  # quoted
        fixed = {"content_type_id": {"select": select}}
        resources[resource_name(model, resources)] = _link_keys(links, "object_id", fixed=fixed)
    return _tag_keys(tags, tenant="netbox" if source == "netbox" else "main"), resources


def _acts_as(connection: Connection, _: str) -> tuple[Keys, dict[str, Keys]]:
    tags, links = _found(connection, "tags"), _found(connection, "taggings")
    used = connection.exec_driver_sql(
        f"SELECT DISTINCT taggable_type, context FROM {links.name} ORDER BY 1, 2"  # noqa: S608
    )
    resources: dict[str, Keys] = {}
    for model, context in used:
        fixed = {"taggable_type": model, "context": context}
        fixed |= {"tagger_id": "NULL", "tagger_type": "NULL"}
        name = resource_name(model if context == "tags" else f"{model}_{context}", resources)
        resources[name] = _link_keys(links, "taggable_id", fixed=fixed)
    return _tag_keys(tags, counter="taggings_count"), resources


def _paperless(connection: Connection, _: str) -> tuple[Keys, dict[str, Keys]]:
    tags = _found(connection, "documents_tag")
    links = _found(connection, "documents_document_tags")
    return _tag_keys(tags), {"documents": _link_keys(links, "document_id")}


def _superset(connection: Connection, _: str) -> tuple[Keys, dict[str, Keys]]:
    tags, links = _found(connection, "tag"), _found(connection, "tagged_object")
    used = connection.exec_driver_sql(
        f"SELECT DISTINCT CAST(object_type AS text) FROM {links.name} ORDER BY 1"  # noqa: S608
    )
    resources: dict[str, Keys] = {}
    for (kind,) in used:
        keys = _link_keys(links, "object_id", fixed={"object_type": kind})
        resources[resource_name(kind, resources)] = keys
    return _tag_keys(tags, fixed={"type": "custom"}), resources


def _any(connection: Connection, source: str) -> tuple[Keys, dict[str, Keys]]:
    """Return the map of a table of links, told by its foreign keys."""
    schema, dot, bare = source.rpartition(".")
    links = _found(connection, bare, schema if dot else None)
    keys = connection.execute(_KEYS, {"table": links.name}).all()
    key = next((one for one in keys if "tag" in one.table or "label" in one.table), None)
    if key is None:
        raise SettingsError(
            f"{links.name} has no foreign key to a table of tags (its name has tag or label in "
            "it): write the map by hand (docs/own-tables.md)."
        )
    tags = _found(connection, key.table, key.schema)
    others = [one.column for one in keys if one.column != key.column]
    ids = [one.name for one in links.columns.values() if one.name.endswith("_id")]
    objects = [name for name in (*others, *ids) if name != key.column and links.columns[name].kind]
    if not objects:
        raise SettingsError(f"{links.name} has no column of ids beside {key.column}.")
    name = resource_name(objects[0].removesuffix("_id"), {})
    return _tag_keys(tags, id_=key.refers), {name: _link_keys(links, objects[0], tag=key.column)}


PRODUCTS: dict[str, Callable[[Connection, str], tuple[Keys, dict[str, Keys]]]] = {
    "taggit": _taggit,
    "netbox": _taggit,
    "acts-as-taggable-on": _acts_as,
    "paperless": _paperless,
    "superset": _superset,
}


def _found(connection: Connection, name: str, schema: str | None = None) -> Table:
    schema = schema or connection.execute(_SCHEMA, {"table": name}).scalar()
    table = catalogue.read(connection, schema, name) if schema else None
    if table is None:
        raise SettingsError(f"There is no table {name} in this database that this role can see.")
    return table


def _spelt(table: Table) -> str:
    return table.name.replace('"', "")


def _tag_keys(table: Table, *, id_: str = "id", tenant: str = "main", **more: Any) -> Keys:
    name = "name" if "name" in table.columns else _first_text(table)
    keys = {"table": _spelt(table), "id": id_, "name": name, "tenant_fixed": tenant}
    for times in ("created_at", "updated_at"):
        keys |= {times: times} if times in table.columns else {}
    return keys | more


def _first_text(table: Table) -> str:
    texts = (one.name for one in table.columns.values() if one.type.startswith(("text", "char")))
    return next(texts, "name")


def _link_keys(table: Table, object_: str, *, tag: str = "tag_id", **more: Any) -> Keys:
    kind = table.columns[object_].kind
    if kind is None:
        found = table.columns[object_].type
        raise SettingsError(
            f"Column {object_} of {table.name} is {found}: ids have to be uuid, smallint, integer "
            "or bigint."
        )
    serial = table.columns.get("id")
    clock: Keys = {}
    if serial and serial.given and serial.kind == "bigint":
        clock = {"grows": "id"}
    elif "created_at" in table.columns:
        clock = {"created_at": "created_at"}
    return {"links": _spelt(table), "tag": tag, "object": object_, "kind": kind, **clock, **more}


def _literal(value: str) -> str:
    return "'{}'".format(value.replace("'", "''"))


def resource_name(word: str, taken: dict[str, Any]) -> str:
    """Return the name of resources for a model's name, such as articles for Article."""
    name = re.sub(r"[^a-z0-9_-]", "_", word.lower()).lstrip("_-0123456789") or "resources"
    name = name if name.endswith("s") else f"{name}s"
    while name in taken:
        name += "_"
    return name
