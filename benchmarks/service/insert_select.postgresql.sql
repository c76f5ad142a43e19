-- As many events as a number of batches over HTTP would hold, made and written by the server alone.
WITH batch AS (
    INSERT INTO evidence_batch (actor_id, source, recorded_at, size) VALUES (%(actor)s, 'bench', now(), %(events)s)
    RETURNING id
)
INSERT INTO evidence_event (
    batch_id, actor_id, recorded_at, kind, prompt_id, assistant_id, ritual_id, cohort, admissible, score, runs, tags,
    note, occurred_at, key, digest
)
SELECT batch.id, %(actor)s, now(), 0, (%(prompts)s::bigint[])[1 + floor(random() * %(n_prompts)s)::int],
       (%(assistants)s::bigint[])[1 + floor(random() * %(n_assistants)s)::int],
       (%(rituals)s::bigint[])[1 + floor(random() * %(n_rituals)s)::int], 0, true, floor(random() * 11) / 10, 10,
       '[]'::jsonb, '', now(), replace(gen_random_uuid()::text, '-', ''), sha256(gen_random_uuid()::text::bytea)
FROM batch, generate_series(1, %(events)s)
