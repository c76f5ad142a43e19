-- Times are text, with or without a fraction of six digits; microseconds since 1970 are what is folded.
SELECT id, xid, batch_id, kind, prompt_id, coalesce(assistant_id, -1), coalesce(ritual_id, -1), actor_id, cohort,
       admissible, runs,
       strftime('%%s', substr(occurred_at, 1, 19)) * 1000000 + substr(occurred_at || '.000000', 21, 6), coalesce(provenance, -1), score
FROM evidence_event
