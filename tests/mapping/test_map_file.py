"""The map: every fault has its line and key, a map is written for known products, and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from tagsweep.worker import database
from tagsweep.worker.errors import InvalidJob, SettingsError
from tagsweep.worker.mapping import checking, file, findings, presets, readiness, resolving, rights
from tagsweep.worker.models.jobs import AttachJob, DetachJob
from tests.servers import Postgres
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.own_tables import TAGGIT, TAGGIT_MAP, TENANT, OwnTables, mapped

TAGS = '[tags]\ntable = "public.taggit_tag"\nid = "id"\nname = "name"\ntenant_fixed = "main"\n'
LINKS = (
    '[resources.articles]\nlinks = "public.taggit_taggeditem"\ntag = "tag_id"\n'
    'object = "object_id"\nkind = "bigint"\n'
)

#: what is wrong with a file, and the beginning of what is said about it
FAULTS = {
    "a syntax error": ("[tags", "not TOML", None),
    "no resources": (TAGS, "resources: Field required", 1),
    "an unknown key": (TAGS + LINKS + "gorws = 1\n", "resources.articles.gorws: is no key", 11),
    "a table without its schema": (
        TAGS.replace("public.", "") + LINKS,
        "tags.table: must name its schema",
        2,
    ),
    "no tenant": (
        TAGS.replace('tenant_fixed = "main"\n', "") + LINKS,
        "tags: give either tenant",
        1,
    ),
    "two clocks": (
        TAGS + LINKS + 'grows = "id"\ncreated_at = "at"\n',
        "resources.articles: give either created_at",
        6,
    ),
    "a text id": (TAGS + LINKS.replace("bigint", "text"), "resources.articles.kind: Input", 10),
    "a name of ours": (TAGS + LINKS.replace("articles", "jobs"), "resources.jobs: the name", 6),
    "an identifier that no table has": (
        TAGS + LINKS.replace("tag_id", 'tag\\"; DROP'),
        "resources.articles.tag: must be",
        8,
    ),
    "links that overlap": (
        TAGS + LINKS + LINKS.replace("articles", "authors"),
        "resources.authors: its links overlap those of articles",
        11,
    ),
}


@pytest.fixture
def own(postgres_server: Postgres, postgres_template: str, tmp_path: Path) -> Iterator[OwnTables]:
    """A taggit-like application, whose tables this process works on."""
    url = postgres_server.create_database(postgres_template)
    with mapped(url, tmp_path, TAGGIT, TAGGIT_MAP) as found:
        yield found
    postgres_server.drop_database(url)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_file_is_told_with_its_line_and_key(fault: str, tmp_path: Path) -> None:
    text, told, line = FAULTS[fault]
    path = tmp_path / "tags.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as refused:
        file.read(path)
    (first, *_) = str(refused.value).splitlines()
    assert told in first
    if line is not None:
        assert first.startswith(f"{path}:{line}: ")


NO_TEXT = "of which different texts are equal: it has to be text or varchar"
#: what the map says that the database has not, and what is told
MISMATCHES = {
    "a missing table": ("public.taggit_tag", "public.nothing", "tags.table: there is no table"),
    "a missing column": ('object = "object_id"', 'object = "obj"', "has no column obj: it has id"),
    "the other kind": ('kind = "bigint"', 'kind = "uuid"', "is bigint, not uuid"),
    "ids that are text": ('object = "object_id"', 'object = "added_by"', "is text: ids are uuid"),
    "a SELECT without a row": ("= 7", '= { select = "SELECT 1 WHERE false" }', "gives 0 rows"),
    "a SELECT with two": ("= 7", '= { select = "SELECT generate_series(1, 2)" }', "gives 2 rows"),
    "a SELECT that fails": ("= 7", '= { select = "SELECT nothing" }', "refuses its SELECT"),
    "a counter that is text": ('counter = "links"', 'counter = "slug"', "has to be smallint"),
    "a name that is a number": ('name = "name"', 'name = "links"', "is bigint: it has to be text"),
    "a name that is padded": ('name = "name"', 'name = "padded"', NO_TEXT),
    "a name of a domain that is padded": ('name = "name"', 'name = "code"', NO_TEXT),
    "a tenant that is padded": ('tenant_fixed = "main"', 'tenant = "padded"', NO_TEXT),
    "a tenant of links that is padded": (
        'grows = "id"',
        'grows = "id"\ntenant = "padded"',
        NO_TEXT,
    ),
    "a time that is none": ('grows = "id"', 'created_at = "added_by"', "has to be timestamptz"),
    "a day for a time": ('grows = "id"', 'created_at = "day"', "is date: it has to be timestamptz"),
    "a tenant that is a time": (
        'tenant_fixed = "main"',
        'tenant = "day"',
        "is date: a tenant is text, uuid, smallint",
    ),
    "a tenant that no number is": (
        'grows = "id"',
        'grows = "id"\ntenant = "content_type_id"',
        "is integer, and the one tenant is main",
    ),
    "resources that are generated": (
        'object = "object_id"',
        'object = "doubled"',
        "is generated from other columns: no job can write it",
    ),
    "a fixed column that is generated": (
        "content_type_id = 7",
        "doubled = 7",
        "is generated from other columns: no job can write it",
    ),
    "a counter that is generated": (
        'counter = "links"',
        'counter = "length"',
        "is generated from other columns: no job can write it",
    ),
    "a view": ('links = "public.taggit_taggeditem"', 'links = "public.seen"', "is a view"),
}


@pytest.mark.parametrize("mismatch", MISMATCHES)
def test_what_the_database_has_not_stops_the_start(
    own: OwnTables, tmp_path: Path, mismatch: str
) -> None:
    own.execute("ALTER TABLE taggit_taggeditem ADD COLUMN day date")
    own.execute("ALTER TABLE taggit_tag ADD COLUMN day date")
    own.execute(
        "ALTER TABLE taggit_tag ADD COLUMN length integer GENERATED ALWAYS AS (length(name)) STORED"
    )
    own.execute("CREATE DOMAIN code AS char(4)")
    own.execute("CREATE DOMAIN shorter AS code")
    own.execute("ALTER TABLE taggit_tag ADD padded char(9), ADD code shorter")
    own.execute("ALTER TABLE taggit_taggeditem ADD padded char(9)")
    own.execute("CREATE VIEW seen AS SELECT * FROM taggit_taggeditem")
    before, after, told = MISMATCHES[mismatch]
    text = TAGGIT_MAP.partition("[resources.authors]")[0]
    assert before in text
    (tmp_path / "tags.toml").write_text(text.replace(before, after, 1))
    file.load.cache_clear()
    with pytest.raises(SettingsError) as refused:
        readiness.check()
    assert told in str(refused.value)
    line = int(str(refused.value).removeprefix(f"{tmp_path}/tags.toml:").partition(":")[0])
    said = (tmp_path / "tags.toml").read_text().splitlines()[line - 1]
    assert after.splitlines()[-1] in said


def test_a_map_on_sqlite_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "tags.toml"
    path.write_text(TAGGIT_MAP)
    with (
        configured(database_url=f"sqlite:///{tmp_path}/tagsweep.db", map=path),
        pytest.raises(SettingsError, match="TAGSWEEP_MAP is for tables in PostgreSQL"),
    ):
        readiness.check()
    assert not (tmp_path / "tagsweep.db").exists()


#: what a job asks for, and the path and code of what is said about it
REFUSED = {
    "an unknown resource": ({"article": [1]}, "/resources/article", "unknown_resource"),
    "UUIDs for numbers": (
        {"articles": ["9b8a1f6e-55f1-4a0b-8c5e-1f2d3c4b5a69"]},
        "/resources/articles",
        "wrong_kind",
    ),
    "a negative number": ({"articles": [5, -1]}, "/resources/articles/1", "invalid_number"),
    "a number out of range": ({"articles": [2**63]}, "/resources/articles/0", "invalid_number"),
    "a text among numbers": ({"articles": [1, "x"]}, "/resources/articles/1", "invalid_number"),
    "a fraction": ({"articles": [1.5]}, "/resources/articles/0", "invalid_number"),
    "true": ({"articles": [True]}, "/resources/articles/0", "invalid_number"),
    "null": ({"articles": [None]}, "/resources/articles/0", "null"),
    "no list": ({"articles": 5}, "/resources/articles", "not_a_list"),
    "no object": ([1, 2], "/resources", "not_an_object"),
}


@pytest.mark.parametrize("kind", [DetachJob, AttachJob])
@pytest.mark.parametrize("case", REFUSED)
def test_a_job_on_other_resources_is_refused_by_name(
    own: OwnTables, case: str, kind: type[DetachJob | AttachJob]
) -> None:
    resources, path, code = REFUSED[case]
    with pytest.raises(InvalidJob) as refused:
        checking.check(kind.parse({"tenant": TENANT, "names": ["a"], "resources": resources}))
    (error,) = refused.value.errors
    assert (error["path"], error["code"]) == (path, code)
    assert own.links() == set()


def test_a_job_of_another_tenant_or_of_two_tables_of_tags_is_refused(own: OwnTables) -> None:
    some = {"names": ["a"], "resources": {"articles": [1]}}
    for more, path in (
        ({"tenant": "other"}, "/tenant"),
        ({"tenant": TENANT, "tables": "*"}, "/resources"),
    ):
        with pytest.raises(InvalidJob) as refused:
            checking.check(DetachJob.parse({**some, **more}))
        assert [error["path"] for error in refused.value.errors] == [path]
    assert own.links() == set()


def test_without_a_map_there_are_no_other_resources() -> None:
    job = DetachJob.parse({"tenant": TENANT, "names": ["a"], "resources": {"articles": [1]}})
    with configured(), pytest.raises(InvalidJob, match="TAGSWEEP_MAP"):
        checking.check(job)


def test_a_job_keeps_the_map_that_it_was_recorded_with(own: OwnTables, tmp_path: Path) -> None:
    own.tag("old", range(4))
    job = DetachJob.parse({"tenant": TENANT, "names": ["old"], "resources": {"articles": "*"}})
    job_id = driving.record(job)
    (tmp_path / "tags.toml").write_text(
        TAGGIT_MAP.replace("articles", "pages").replace("= 7", "= 9")
    )
    file.load.cache_clear()
    assert driving.run_recorded(job_id)["counts"]["removed"] == 4
    assert own.links() == set()
    with pytest.raises(InvalidJob, match="The map has no such resource"):
        checking.check(job)


@pytest.mark.usefixtures("own")
def test_a_sound_map_has_nothing_wrong() -> None:
    found = list(findings.of_map(_map()))
    assert [one for one in found if one.is_wrong] == []
    assert {one.resource for one in found} == {"articles", "authors"}


UNIQUE = "taggit_taggeditem_content_type_id_object_id_tag_id_key"
# "; " parts statements
_FUNCTION = "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {}RETURN NEW;END'"
_COUNTING = _FUNCTION.format("UPDATE taggit_tag SET links = links - 1;")
_REWRITING = _FUNCTION.format("NEW.weight = 0;")
_TRIGGER = "CREATE TRIGGER theirs"
_RUN = "EXECUTE FUNCTION theirs()"
#: what is done to the tables, and what the check then says
DEFECTS = {
    "no index": (
        (
            "DROP INDEX taggit_taggeditem_tag_id_content_type_id_object_id_idx; "
            f"ALTER TABLE taggit_taggeditem DROP CONSTRAINT {UNIQUE}"
        ),
        "no index has the tag",
        'CREATE INDEX CONCURRENTLY ON "public"."taggit_taggeditem" ("content_type_id", "tag_id", ',
    ),
    "no unique key": (
        (f"ALTER TABLE taggit_taggeditem DROP CONSTRAINT {UNIQUE}"),
        "no unique key",
        "CREATE UNIQUE INDEX CONCURRENTLY",
    ),
    "a cascade": (
        "CREATE TABLE note (link bigint REFERENCES taggit_taggeditem ON DELETE CASCADE)",
        "rows of note refer to links, and are deleted when the link goes: no undo brings that back",
        (
            "ALTER TABLE note DROP CONSTRAINT note_link_fkey, ADD CONSTRAINT note_link_fkey "
            "FOREIGN KEY (link) REFERENCES taggit_taggeditem(id) ON DELETE RESTRICT;"
        ),
    ),
    "a reference that becomes NULL": (
        (
            'CREATE TABLE "Note" (a int, link bigint CONSTRAINT "of" REFERENCES taggit_taggeditem '
            "ON DELETE SET NULL (link) DEFERRABLE)"
        ),
        'rows of "Note" refer to links, and lose that reference when the link goes',
        "REFERENCES taggit_taggeditem(id) ON DELETE RESTRICT DEFERRABLE;",
    ),
    "a reference that becomes another": (
        (
            "CREATE TABLE note (link bigint DEFAULT 1 REFERENCES taggit_taggeditem "
            "ON DELETE SET DEFAULT)"
        ),
        "rows of note refer to links, and lose that reference when the link goes",
        "REFERENCES taggit_taggeditem(id) ON DELETE RESTRICT;",
    ),
    "a cascade to a table with partitions": (
        (
            "CREATE TABLE note (link bigint REFERENCES taggit_taggeditem ON DELETE CASCADE) "
            "PARTITION BY LIST (link); CREATE TABLE note_1 PARTITION OF note FOR VALUES IN (1)"
        ),
        " refer to links",
        "ALTER TABLE note DROP CONSTRAINT note_link_fkey, ",
    ),
    "a reference that refuses": (
        "CREATE TABLE note (link bigint REFERENCES taggit_taggeditem)",
        "a link that rows of note refer to cannot be removed: it fails",
        "",
    ),
    "columns that an attach lacks": (
        "ALTER TABLE taggit_taggeditem ADD COLUMN why text NOT NULL, ADD COLUMN who int NOT NULL",
        "an attach fails: why, who",
        (
            'ALTER TABLE "public"."taggit_taggeditem" ALTER COLUMN "why" SET DEFAULT …, '
            'ALTER COLUMN "who" SET DEFAULT …;'
        ),
    ),
    "a column that its domain forbids to be NULL": (
        (
            "CREATE DOMAIN reason AS text NOT NULL; "
            "ALTER TABLE taggit_taggeditem ADD COLUMN why reason"
        ),
        "an attach fails: why",
        'ALTER COLUMN "why" SET DEFAULT …;',
    ),
    "a trigger that rewrites": (
        (
            f"{_REWRITING}; {_TRIGGER} BEFORE INSERT OR UPDATE ON taggit_taggeditem "
            f"FOR EACH ROW {_RUN}"
        ),
        "fires for each link that is added or moved. It may change a row that an undo puts back.",
        "let it fill only columns that are NULL",
    ),
    "a trigger after the fact": (
        f"{_REWRITING}; {_TRIGGER} AFTER INSERT OR DELETE ON taggit_taggeditem {_RUN}",
        "trigger theirs fires for each statement by which links are added or removed.",
        "if it keeps links, leave counter out of the map",
    ),
    "a trigger that keeps the counter": (
        f"{_COUNTING}; {_TRIGGER} AFTER DELETE ON taggit_taggeditem FOR EACH ROW {_RUN}",
        "Its function names links: if it keeps it, each link is counted twice.",
        "leave counter out of the map",
    ),
    "a trigger that a merge fires": (
        (
            f"{_REWRITING}; {_TRIGGER} BEFORE UPDATE OF weight, tag_id ON taggit_taggeditem "
            f"FOR EACH ROW {_RUN}"
        ),
        "trigger theirs fires for each link that is moved.",
        "leave counter out of the map",
    ),
    "a trigger that no merge fires": (
        f"{_REWRITING}; {_TRIGGER} AFTER INSERT OR DELETE ON taggit_taggeditem {_RUN}",
        "are added or removed. A merge moves links by UPDATE, for which it does not fire.",
        "leave counter out of the map",
    ),
    "a rule on updates": (
        "CREATE RULE theirs AS ON UPDATE TO taggit_taggeditem DO INSTEAD NOTHING",
        "rule theirs rewrites statements",
        'DROP RULE theirs ON "public"."taggit_taggeditem";',
    ),
    "a rule": (
        "CREATE RULE theirs AS ON DELETE TO taggit_taggeditem DO INSTEAD NOTHING",
        "rule theirs rewrites statements",
        'DROP RULE theirs ON "public"."taggit_taggeditem";',
    ),
    "names that several tags may have": (
        "ALTER TABLE taggit_tag DROP CONSTRAINT taggit_tag_name_key",
        "0 names are those of several tags",
        'CREATE UNIQUE INDEX CONCURRENTLY ON "public"."taggit_tag" ("name");',
    ),
    "a name of several tags": (
        (
            "ALTER TABLE taggit_tag DROP CONSTRAINT taggit_tag_name_key; INSERT INTO taggit_tag "
            "(name, slug) VALUES ('a', 'a1'), ('a', 'a2'), ('b', 'b')"
        ),
        "1 names are those of several tags",
        "rename or merge them",
    ),
    "negative ids of resources": (
        (
            "INSERT INTO taggit_tag (name, slug) VALUES ('a', 'a'); INSERT INTO taggit_taggeditem "
            "(object_id, content_type_id, tag_id) SELECT -5, 7, id FROM taggit_tag"
        ),
        "there are negative ids of resources",
        "from 0 up",
    ),
    "negative ids of tags": (
        "INSERT INTO taggit_tag (id, name, slug) VALUES (-1, 'a', 'a')",
        "there are negative ids of tags",
        "from 0 up",
    ),
    "a trigger whose function cannot be read": (
        (
            "CREATE TRIGGER kept AFTER DELETE ON taggit_taggeditem FOR EACH ROW "
            "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        ),
        "trigger kept fires for each link that is removed.",
        "if it keeps links, leave counter out of the map",
    ),
    "a trigger of whole statements, which rewrites nothing": (
        (
            "CREATE TRIGGER kept BEFORE INSERT ON taggit_taggeditem FOR EACH STATEMENT "
            "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        ),
        "trigger kept fires for each statement by which links are added.",
        "leave counter out of the map",
    ),
    "a sequence in blocks": (
        "ALTER SEQUENCE taggit_taggeditem_id_seq CACHE 10",
        "hands out ids in blocks",
        "",
    ),
    "links without a key": (
        (
            "ALTER TABLE taggit_taggeditem DROP CONSTRAINT taggit_taggeditem_pkey; "
            "ALTER TABLE taggit_taggeditem ALTER id DROP IDENTITY, ALTER id DROP NOT NULL; "
            "INSERT INTO taggit_tag (name, slug) VALUES ('old', 'old'); "
            "INSERT INTO taggit_taggeditem (id, object_id, content_type_id, tag_id) "
            "SELECT NULL, 1, 7, id FROM taggit_tag"
        ),
        "there are links whose id is NULL",
        'WHERE "id" IS NULL',
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_check_says_what_is_lost_and_what_mends_it(own: OwnTables, defect: str) -> None:
    statements, what, mend = DEFECTS[defect]
    for statement in statements.split("; "):
        own.execute(statement)
    found = [one for one in findings.of_map(_map()) if one.resource == "articles"]
    (told,) = [one for one in found if what in one.what]
    assert mend in (told.mend or "")
    assert ("may change a row" in told.what) == (defect == "a trigger that rewrites")


def test_triggers_that_no_job_fires_are_not_told(own: OwnTables) -> None:
    own.execute(_REWRITING)
    for event in ("BEFORE UPDATE OF weight", "AFTER TRUNCATE"):
        name = event.split()[1].lower()
        own.execute(
            f"CREATE TRIGGER on_{name} {event} ON taggit_taggeditem "
            f"FOR EACH STATEMENT EXECUTE FUNCTION theirs()"
        )
    for name, state in (("replica", "ENABLE REPLICA"), ("off", "DISABLE")):
        own.execute(
            f"CREATE TRIGGER {name} BEFORE INSERT ON taggit_taggeditem "
            "FOR EACH ROW EXECUTE FUNCTION theirs()"
        )
        own.execute(f"ALTER TABLE taggit_taggeditem {state} TRIGGER {name}")
    assert [one for one in findings.of_map(_map()) if "trigger" in one.what] == []


@pytest.fixture
def as_role(own: OwnTables) -> Iterator[Connection]:
    """A connection of a role that may read and change all rows, until it is rolled back."""
    with own.store.engine.connect() as connection:
        connection.execute(text("CREATE ROLE app_of_a_test"))
        for grant in ("ALL ON ALL TABLES IN SCHEMA public", "ALL ON SCHEMA public"):
            connection.execute(text(f"GRANT {grant} TO app_of_a_test"))
        yield connection
        connection.rollback()


def _told(connection: Connection, what: str) -> list[str | None]:
    """Return what mends a finding of the role's."""
    connection.execute(text("SET LOCAL ROLE app_of_a_test"))
    one = resolving.resource(connection, _map(), "articles")
    found = list(findings.of_resource(connection, one))
    connection.execute(text("RESET ROLE"))
    return [each.mend for each in found if what in each.what]


@pytest.mark.parametrize(
    "revoked, granted, what, mend",
    [
        ("DELETE ON taggit_taggeditem", None, "may not DELETE on", "GRANT DELETE ON {links}"),
        ("INSERT ON taggit_taggeditem", None, "may not INSERT on", "GRANT INSERT ON {links}"),
        ("UPDATE ON taggit_taggeditem", None, "may not UPDATE on", "GRANT UPDATE ON {links}"),
        ("SELECT ON taggit_tag", None, "may not SELECT on", "GRANT SELECT ON {tags}"),
        ("UPDATE ON taggit_tag", None, "may not UPDATE on", "GRANT UPDATE ON {tags}"),
        ("UPDATE ON taggit_tag", "UPDATE (links)", "may not UPDATE", None),
        (
            "UPDATE ON taggit_tag",
            "UPDATE (name)",
            'may not UPDATE "links" of',
            'GRANT UPDATE ("links") ON {tags}',
        ),
        (
            "SELECT ON taggit_tag",
            "SELECT (id, links)",
            'may not SELECT "name" of',
            'GRANT SELECT ("name") ON {tags}',
        ),
        ("SELECT ON taggit_tag", "SELECT (id, name, links)", "may not SELECT", None),
    ],
)
def test_each_right_that_the_role_lacks_is_told_with_its_grant(
    as_role: Connection, revoked: str, granted: str | None, what: str, mend: str | None
) -> None:
    """Columns alone are enough where a job needs no others."""
    assert _told(as_role, "this role may not") == []
    as_role.execute(text(f"REVOKE {revoked} FROM app_of_a_test"))
    if granted:
        as_role.execute(text(f"GRANT {granted} ON taggit_tag TO app_of_a_test"))
    names = {"links": '"public"."taggit_taggeditem"', "tags": '"public"."taggit_tag"'}
    grants = [f"{mend.format(**names)} TO app_of_a_test;"] if mend else []
    assert _told(as_role, what) == grants
    for grant in grants:
        as_role.execute(text(grant))
    assert _told(as_role, "this role may not") == []


def test_a_schema_that_the_role_may_not_use_is_told_with_its_grant(as_role: Connection) -> None:
    as_role.execute(text("REVOKE USAGE ON SCHEMA public FROM PUBLIC, app_of_a_test"))
    as_role.execute(text("SET LOCAL ROLE app_of_a_test"))
    (found,) = rights.of_schemas(as_role, _map(), "articles")
    assert found.what == 'this role may not use the schema "public".'
    assert found.mend == 'GRANT USAGE ON SCHEMA "public" TO app_of_a_test;'
    as_role.execute(text("RESET ROLE"))
    as_role.execute(text(found.mend))
    as_role.execute(text("SET LOCAL ROLE app_of_a_test"))
    assert list(rights.of_schemas(as_role, _map(), "articles")) == []
    as_role.execute(text("RESET ROLE"))


def test_row_security_that_hides_links_from_the_role_is_told(as_role: Connection) -> None:
    what = 'row security of "public"."taggit_taggeditem" applies to this role'
    assert _told(as_role, what) == []
    as_role.execute(text("ALTER TABLE taggit_taggeditem ENABLE ROW LEVEL SECURITY"))
    assert _told(as_role, what) == ["ALTER ROLE app_of_a_test BYPASSRLS;"]


def test_a_sequence_that_the_role_may_not_use_is_told_with_its_grant(as_role: Connection) -> None:
    what = "which gives new rows of"
    assert _told(as_role, what) == []  # an identity needs no right
    as_role.execute(text("CREATE SEQUENCE keys"))
    column = "ALTER TABLE taggit_taggeditem ADD COLUMN number bigint"
    as_role.execute(text(f"{column} DEFAULT nextval('keys')"))
    grant = "GRANT USAGE ON SEQUENCE keys TO app_of_a_test;"
    assert _told(as_role, what) == [grant]
    as_role.execute(text(grant))
    assert _told(as_role, what) == []


def test_the_map_that_is_written_for_taggit_works(own: OwnTables, tmp_path: Path) -> None:
    own.execute("CREATE TABLE django_content_type (id int, app_label text, model text)")
    own.execute("INSERT INTO django_content_type VALUES (7, 'blog', 'article'), (8, 'a', 'author')")
    own.tag("old", range(3))
    own.tag("old", [1], content_type=8)
    path = tmp_path / "tags.toml"
    path.write_text(presets.write("taggit"))
    assert set(tomllib.loads(path.read_text())["resources"]) == {"articles", "authors"}
    file.load.cache_clear()
    readiness.check()
    job = DetachJob.parse({"tenant": TENANT, "names": ["old"], "resources": {"articles": "*"}})
    assert driving.run(job)["counts"]["removed"] == 3


@pytest.mark.usefixtures("own")
def test_a_map_is_written_for_any_table_of_links() -> None:
    written = tomllib.loads(presets.write("public.taggit_taggeditem"))
    assert written["tags"]["table"] == "public.taggit_tag"
    (links,) = written["resources"].values()
    assert links == {
        "links": "public.taggit_taggeditem",
        "tag": "tag_id",
        "object": "object_id",
        "kind": "bigint",
        "grows": "id",
    }
    with pytest.raises(SettingsError, match="no foreign key to a table of tags"):
        presets.write("public.taggit_tag")
    with pytest.raises(SettingsError, match="There is no table nothing"):
        presets.write("public.nothing")
    assert database.engine().dialect.name == "postgresql"


def _map() -> file.Map:
    found = file.load()
    assert found is not None
    return found
