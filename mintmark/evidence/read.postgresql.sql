-- Every column takes eight bytes and none is NULL: the rows are copied out as they lie (see evidence/log.py).
SELECT id, xid, batch_id, kind::bigint, prompt_id, coalesce(assistant_id, -1), coalesce(ritual_id, -1), actor_id, cohort,
       admissible::integer::bigint, runs::bigint, (extract(epoch FROM occurred_at) * 1000000)::bigint, coalesce(provenance, -1)::bigint, score
FROM evidence_event
