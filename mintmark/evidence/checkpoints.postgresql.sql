-- The rows of the log with their batches, as they are sealed (see evidence/checkpoints.py). A time that is none (infinity) is
-- no row's by right: null stands for it.
SELECT leaf.id, leaf.xid, leaf.batch_id, leaf.kind, leaf.prompt_id, leaf.assistant_id, leaf.ritual_id, leaf.actor_id,
       leaf.cohort, leaf.admissible::integer, leaf.score, leaf.runs, leaf.tags::text, leaf.note,
       CASE WHEN isfinite(leaf.occurred_at) THEN (extract(epoch FROM leaf.occurred_at) * 1000000)::bigint END,
       CASE WHEN isfinite(leaf.recorded_at) THEN (extract(epoch FROM leaf.recorded_at) * 1000000)::bigint END,
       leaf.key, leaf.digest, batch.actor_id, batch.source,
       CASE WHEN isfinite(batch.recorded_at) THEN (extract(epoch FROM batch.recorded_at) * 1000000)::bigint END,
       batch.size, leaf.provenance
FROM evidence_event AS leaf LEFT JOIN evidence_batch AS batch ON batch.id = leaf.batch_id
