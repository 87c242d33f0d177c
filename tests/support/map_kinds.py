"""Maps of every kind, each with the tables that it is about and what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

NUMBERS = list(range(1, 31))
UUIDS = [str(UUID(int=number * 7919)) for number in NUMBERS]


@dataclass(frozen=True)
class Kind:
    """A kind of map: tag ``old`` of tenant ``7`` is on all objects; other rows are others'."""

    tables: str
    toml: str
    fill: str  #: ``$objects``: the objects as rows of one column, o
    uuids: bool = False
    links: str = "public.links"
    compared: str = "row::text"  #: what of each row an undo brings back
    creates: bool = False
    rows: int = 1  #: of each object
    tenant: str = "7"

    @property
    def ids(self) -> list[int] | list[str]:
        """The objects that carry the tag."""
        return UUIDS if self.uuids else NUMBERS

    @property
    def new(self) -> list[int] | list[str]:
        """An object that carries it, and two that do not."""
        more = range(100, 102)
        return [UUIDS[0], *(str(UUID(int=one)) for one in more)] if self.uuids else [1, *more]

    def filled(self) -> str:
        """Return the statements that fill the tables."""
        listed = ", ".join(f"('{one}')" for one in self.ids)
        kind = "uuid" if self.uuids else "bigint"
        return self.fill.replace("$tenant", self.tenant).replace(
            "$objects", f"(SELECT CAST(t AS {kind}) AS o FROM (VALUES {listed}) AS v (t)) AS x"
        )


_TAGS = '[tags]\ntable = "public.tags"\nid = "id"\nname = "name"\n'
_LINKS = '[resources.things]\nlinks = "public.links"\ntag = "tag_id"\nobject = "object_id"\n'

UUID_AND_TIME = Kind(
    """
    CREATE TABLE public.tags (id uuid PRIMARY KEY, org text NOT NULL, name text NOT NULL,
        made timestamptz NOT NULL, moved timestamptz NOT NULL, UNIQUE (org, name));
    CREATE TABLE public.links (tag_id uuid REFERENCES public.tags, object_id uuid,
        org text NOT NULL, added timestamptz NOT NULL DEFAULT now(), note text,
        PRIMARY KEY (tag_id, object_id));
    """,
    f"""{_TAGS}tenant = "org"\ncreated_at = "made"\nupdated_at = "moved"\ncreate = true
    {_LINKS}kind = "uuid"\ncreated_at = "added"\ntenant = "org"
    """,
    """
    INSERT INTO tags SELECT gen_random_uuid(), org, 'old', now(), now()
        FROM unnest(ARRAY['7', '8']) AS org;
    INSERT INTO links SELECT id, o, org, now() - interval '1 day', 'note ' || o
        FROM tags, $objects
    """,
    uuids=True,
    creates=True,
)
TENANTS_ARE_NUMBERS = Kind(
    """
    CREATE TABLE public.tags (id smallserial PRIMARY KEY, org integer NOT NULL,
        name varchar(40) NOT NULL, UNIQUE (org, name));
    CREATE TABLE public.links (id serial PRIMARY KEY, tag_id smallint, object_id integer,
        org integer NOT NULL, UNIQUE (tag_id, object_id));
    """,
    f"""{_TAGS}tenant = "org"\ncreate = true
    {_LINKS}kind = "bigint"\ngrows = "id"\ntenant = "org"
    """,
    """
    INSERT INTO tags (org, name) VALUES (7, 'old'), (8, 'old');
    INSERT INTO links (tag_id, object_id, org) SELECT id, o, org FROM tags, $objects
    """,
    creates=True,
)
TENANTS_ARE_UUIDS = Kind(
    TENANTS_ARE_NUMBERS.tables.replace("org integer", "org uuid"),
    TENANTS_ARE_NUMBERS.toml,
    TENANTS_ARE_NUMBERS.fill.replace("(7,", "('$tenant',").replace("(8,", "(gen_random_uuid(),"),
    creates=True,
    tenant="5f0c3c5e-41f7-4c5e-8d0a-2f6f3f1f9b10",
)
NULL_IN_FIXED = Kind(
    """
    CREATE TABLE public.tags (id serial PRIMARY KEY, name varchar NOT NULL UNIQUE,
        taggings_count integer DEFAULT 0, created_at timestamp, updated_at timestamp);
    CREATE TABLE public.taggings (id serial PRIMARY KEY, tag_id integer REFERENCES public.tags,
        taggable_type varchar, taggable_id integer, tagger_type varchar, tagger_id integer,
        context varchar(128), created_at timestamp, tenant varchar);
    CREATE UNIQUE INDEX ON public.taggings
        (tag_id, taggable_id, taggable_type, context, tagger_id, tagger_type);
    """,
    """[tags]
    table = "public.tags"\nid = "id"\nname = "name"\ncreated_at = "created_at"
    updated_at = "updated_at"\ncounter = "taggings_count"\ntenant_fixed = "7"\ncreate = true
    [resources.things]
    links = "public.taggings"\ntag = "tag_id"\nobject = "taggable_id"\nkind = "bigint"
    created_at = "created_at"
    fixed = { taggable_type = "Post", context = "tags", tagger_id = "NULL", tagger_type = "NULL" }
    """,
    """
    INSERT INTO tags (name, taggings_count) VALUES ('old', 60);
    INSERT INTO taggings
        (tag_id, taggable_type, taggable_id, context, created_at, tenant, tagger_id)
        SELECT 1, 'Post', o, 'tags', timestamp '2020-01-02 03:04:05.678', 't', tagger
        FROM $objects CROSS JOIN unnest(ARRAY[NULL, 5]) AS tagger
    """,
    links="public.taggings",
    creates=True,
)
SEVERAL_ROWS = Kind(
    """
    CREATE TABLE public.tags (id bigint PRIMARY KEY, name text NOT NULL, n bigint);
    CREATE TABLE public.links (tag_id bigint, object_id bigint, note text);
    """,
    f"""{_TAGS}tenant_fixed = "7"\ncounter = "n"
    {_LINKS}kind = "bigint"
    """,
    """
    INSERT INTO tags VALUES (1, 'old', 60);
    INSERT INTO links SELECT 1, o, note FROM $objects CROSS JOIN unnest(ARRAY['a', 'b']) AS note
    """,
    rows=2,
)
NEW_ROW = Kind(
    """
    CREATE TABLE public.tags (id int PRIMARY KEY, name text NOT NULL UNIQUE);
    CREATE TABLE public.links (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tag_id int,
        object_id bigint, added_by text NOT NULL DEFAULT 'nobody',
        at timestamptz DEFAULT now(), UNIQUE (tag_id, object_id));
    """,
    f"""{_TAGS}tenant_fixed = "7"
    {_LINKS}kind = "bigint"\ngrows = "id"\nundo = "new-row"
    """,
    """
    INSERT INTO tags VALUES (1, 'old');
    INSERT INTO links (tag_id, object_id, added_by, at)
        SELECT 1, o, 'user ' || o, now() - interval '3 days' FROM $objects
    """,
    compared="(tag_id, object_id, added_by, at)::text",
)
FIXED_IN_TAGS = Kind(
    """
    CREATE SCHEMA app;
    CREATE TYPE app.tag_type AS ENUM ('custom', 'owner');
    CREATE TYPE app.object_type AS ENUM ('dashboard', 'chart');
    CREATE TABLE public.tags (id serial PRIMARY KEY, name varchar(250), type app.tag_type,
        parent integer, UNIQUE (name, type));
    CREATE TABLE public.links (id serial PRIMARY KEY, tag_id int, object_id int,
        object_type app.object_type, created_on timestamp, UNIQUE (tag_id, object_id, object_type))
    """,
    f"""{_TAGS}tenant_fixed = "7"\ncreate = true\nfixed = {{ type = "custom", parent = "NULL" }}
    {_LINKS}kind = "bigint"\ngrows = "id"\nfixed = {{ object_type = "dashboard" }}
    """,
    """
    INSERT INTO tags (name, type) VALUES ('old', 'custom'), ('old', 'owner');
    INSERT INTO links (tag_id, object_id, object_type, created_on)
        SELECT tag, o, CAST(type AS app.object_type), now() FROM $objects
        CROSS JOIN unnest(ARRAY[1, 2], ARRAY['dashboard', 'chart']) AS t (tag, type)
    """,
    creates=True,
)
EVERY_TYPE = Kind(
    """
    CREATE SCHEMA app;
    CREATE TYPE app.mood AS ENUM ('good', 'bad');
    CREATE DOMAIN app.short AS varchar(9) CHECK (length(VALUE) > 0);
    CREATE TABLE public.tags (id int PRIMARY KEY, name text NOT NULL UNIQUE);
    CREATE TABLE public.links (id bigserial PRIMARY KEY, tag_id int, object_id bigint,
        UNIQUE (tag_id, object_id), "odd $colon 100% {x} @job" text,
        moods app.mood[], short app.short, day date,
        at timestamptz, span interval, ratio real, share double precision, exact numeric,
        raw bytea, words text[], doc json, docb jsonb, ip inet, during tstzrange, price money,
        bits bit(3), padded char(5), twice bigint GENERATED ALWAYS AS (object_id * 2) STORED);
    """,
    f"""{_TAGS}tenant_fixed = "7"
    {_LINKS}kind = "bigint"\ngrows = "id"
    """,
    """
    INSERT INTO tags VALUES (1, 'old');
    INSERT INTO links SELECT nextval('links_id_seq'), 1, o, E'a\\nb "c" \\\\ ' || o,
        ARRAY[CAST('bad' AS app.mood), NULL], 'x', DATE '2020-02-03',
        TIMESTAMPTZ '2020-02-03 04:05:06.789012+09', INTERVAL '-1 year 2 days -03:04:05.6',
        o / 3.0, o / 7.0, 1e40 + 0.1, decode('00ff0a', 'hex'), ARRAY['a,b', NULL, E'\\n'],
        json_build_object('b', 1, 'a', E'x\\ny'),
        jsonb_build_object('b', 1, 'a', 2), '10.0.0.1/8',
        tstzrange('2020-02-03', '2020-03-02', '(]'), CAST('12.34' AS money), B'101', 'ab'
        FROM $objects
    """,
)
KINDS = {
    "UUIDs, times and a tenant column": UUID_AND_TIME,
    "tenants that are numbers": TENANTS_ARE_NUMBERS,
    "tenants that are UUIDs": TENANTS_ARE_UUIDS,
    "NULL in fixed columns": NULL_IN_FIXED,
    "several rows of a link, and no clock": SEVERAL_ROWS,
    "rows with new keys": NEW_ROW,
    "fixed columns of tags": FIXED_IN_TAGS,
    "columns of every type": EVERY_TYPE,
}
