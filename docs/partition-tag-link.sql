-- Cut tag_link into 16 parts by a hash of the tag. Stop the workers first; then, in one transaction:
--   psql "$TAGSWEEP_DATABASE_URL" --single-transaction --set ON_ERROR_STOP=1 --file docs/partition-tag-link.sql
-- Nothing else changes: every statement of a job names its tags, so PostgreSQL reads their parts alone.
-- docs/scaling.md tells when this pays.

-- the schema that TAGSWEEP_SCHEMA names
SET LOCAL search_path TO tagsweep;

ALTER TABLE tag_link RENAME TO tag_link_whole;
ALTER TABLE tag_link_whole RENAME CONSTRAINT tag_link_pkey TO tag_link_whole_pkey;
ALTER TABLE tag_link_whole DROP CONSTRAINT tag_link_tag_id_fkey;
ALTER INDEX tag_link_resource RENAME TO tag_link_whole_resource;

CREATE TABLE tag_link (LIKE tag_link_whole INCLUDING DEFAULTS) PARTITION BY HASH (tag_id);

DO $$
BEGIN
    FOR part IN 0..15 LOOP
        EXECUTE format(
            'CREATE TABLE tag_link_%s PARTITION OF tag_link FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
            part, part);
    END LOOP;
END $$;

INSERT INTO tag_link SELECT * FROM tag_link_whole;
DROP TABLE tag_link_whole;

-- after the rows: an index that is built at once is smaller, and built sooner
ALTER TABLE tag_link ADD CONSTRAINT tag_link_pkey PRIMARY KEY (tag_id, resource_type, resource_id);
CREATE INDEX tag_link_resource ON tag_link (resource_type, resource_id);
ALTER TABLE tag_link ADD CONSTRAINT tag_link_tag_id_fkey
    FOREIGN KEY (tag_id) REFERENCES tag (id) ON DELETE CASCADE;
ANALYZE tag_link;
