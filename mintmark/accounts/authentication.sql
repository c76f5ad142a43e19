-- All that a bearer key says of its holder, in one look: a row for each membership (one row without any).
SELECT accounts_key.digest, accounts_key.scopes,
       accounts_principal.id, accounts_principal.kind, accounts_principal.name, accounts_principal.team_id,
       accounts_principal.user_id, accounts_user.is_superuser,
       accounts_membership.role, accounts_membership.team_id
FROM accounts_key
JOIN accounts_principal ON accounts_principal.id = accounts_key.principal_id
LEFT JOIN accounts_user ON accounts_user.id = accounts_principal.user_id
LEFT JOIN accounts_membership ON accounts_membership.user_id = accounts_principal.user_id
WHERE accounts_key.prefix = %s
  AND accounts_key.revoked_at IS NULL
  AND (accounts_key.expires_at IS NULL OR accounts_key.expires_at > %s)
  AND (accounts_user.id IS NULL OR accounts_user.is_active)
