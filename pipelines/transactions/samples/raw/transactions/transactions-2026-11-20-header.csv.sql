-- A column is misspelt: the whole file is set aside.
select
    'H0000001' as transaction_id,
    100001 as account_id,
    timestamp '2026-11-20 08:00:00' as "timestamp",
    '12.00' as amonut,
    'EUR' as currency,
    'purchase' as "type",
    'books' as category,
    'settled' as status,
    timestamp '2026-11-20 08:10:00' as updated_at
