CREATE OR REPLACE FUNCTION mintmark_append_only() RETURNS trigger LANGUAGE plpgsql AS $$$$ BEGIN
    RAISE EXCEPTION '%% is append-only: rows are never changed or removed', TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation'; END $$$$

CREATE TRIGGER "${table}_no_update" BEFORE UPDATE ON "${table}" FOR EACH ROW
WHEN (${changed}) EXECUTE FUNCTION mintmark_append_only()

CREATE TRIGGER "${table}_no_delete" BEFORE DELETE ON "${table}" FOR EACH ROW
EXECUTE FUNCTION mintmark_append_only()

CREATE TRIGGER "${table}_no_truncate" BEFORE TRUNCATE ON "${table}" FOR EACH STATEMENT
EXECUTE FUNCTION mintmark_append_only()
