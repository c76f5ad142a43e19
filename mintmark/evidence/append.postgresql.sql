-- One batch with its events, numbered in the order given. Events whose key the actor used before are left out: whoever
-- finds fewer written than given takes it all back.
WITH batch AS (
    INSERT INTO evidence_batch (actor_id, source, recorded_at, size) VALUES (%(actor)s, %(source)s, %(now)s, %(size)s)
    RETURNING id
), written AS (
    INSERT INTO evidence_event (
        batch_id, actor_id, recorded_at, kind, prompt_id, assistant_id, ritual_id, cohort, admissible, score, runs,
        tags, note, occurred_at, key, digest, provenance
    )
    SELECT batch.id, %(actor)s, %(now)s, kind, prompt_id, assistant_id, ritual_id, cohort, admissible, score, runs,
        tags, note, occurred_at, key, digest, provenance
    FROM batch, unnest(
        %(kind)s::smallint[], %(prompt_id)s::bigint[], %(assistant_id)s::bigint[], %(ritual_id)s::bigint[],
        %(cohort)s::bigint[], %(admissible)s::boolean[], %(score)s::float8[], %(runs)s::integer[], %(tags)s::jsonb[],
        %(note)s::varchar[], %(occurred_at)s::timestamptz[], %(key)s::varchar[], %(digest)s::bytea[],
        %(provenance)s::smallint[]
    ) WITH ORDINALITY AS given (
        kind, prompt_id, assistant_id, ritual_id, cohort, admissible, score, runs, tags, note, occurred_at, key, digest,
        provenance, place
    )
    ORDER BY place
    ON CONFLICT (actor_id, key) DO NOTHING
    RETURNING id
)
SELECT (SELECT id FROM batch), count(*), max(id) FROM written
