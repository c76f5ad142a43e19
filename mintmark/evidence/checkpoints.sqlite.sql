-- The rows of the log with their batches, as they are sealed; times and tags are text here (see evidence/checkpoints.py). A
-- plus keeps the driver from making a boolean or a time of whatever stands there.
SELECT leaf.id, leaf.xid, leaf.batch_id, leaf.kind, leaf.prompt_id, leaf.assistant_id, leaf.ritual_id, leaf.actor_id,
       leaf.cohort, +leaf.admissible, leaf.score, leaf.runs, leaf.tags, leaf.note, +leaf.occurred_at, +leaf.recorded_at,
       leaf.key, leaf.digest, batch.actor_id, batch.source, +batch.recorded_at, batch.size,
       leaf.provenance
FROM evidence_event AS leaf LEFT JOIN evidence_batch AS batch ON batch.id = leaf.batch_id
