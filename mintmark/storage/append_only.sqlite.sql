CREATE TRIGGER "${table}_no_update" BEFORE UPDATE ON "${table}"
WHEN ${changed}
BEGIN SELECT RAISE(ABORT, '${table} is append-only: rows are never changed'); END

CREATE TRIGGER "${table}_no_delete" BEFORE DELETE ON "${table}"
BEGIN SELECT RAISE(ABORT, '${table} is append-only: rows are never removed'); END
