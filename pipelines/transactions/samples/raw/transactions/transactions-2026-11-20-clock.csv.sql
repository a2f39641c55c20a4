-- A terminal whose clock was reset to 1970: check clock_was_set fails the file.
select
    format('C{:08d}', i) as transaction_id,
    100001 as account_id,
    timestamp '1970-01-01 00:00:00' + to_hours(i) as "timestamp",
    '12.00' as amount,
    'EUR' as currency,
    'purchase' as "type",
    'books' as category,
    'settled' as status,
    timestamp '1970-01-01 00:10:00' + to_hours(i) as updated_at
from range(5) as numbers(i)
