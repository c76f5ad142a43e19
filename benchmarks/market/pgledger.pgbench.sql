\set giver random(1, 999)
\set taker random(:giver + 1, 1000)
SELECT * FROM pgledger_create_transfer('account_' || :giver, 'account_' || :taker, 1);
