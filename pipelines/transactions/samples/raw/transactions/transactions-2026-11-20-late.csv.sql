-- A file that was held up: the first 50 transactions as they were in the first file, and older versions of settled ones. None of it may win.
with drawn as (
    select
        i,
        timestamp '2026-11-16 00:00:00' + to_seconds(draw('time', i, 3 * 86400)) as happened,
        draw('pending', i, 10) = 0 as pending
    from range($rows) as numbers(i)
    where i < 50 or draw('pending', i, 10) = 0
)

select
    format('T{:08d}', i) as transaction_id,
    100000 + draw('account', i, greatest($rows // 20, 10)) as account_id,
    happened as "timestamp",
    cast((100 + draw('amount', i, 40000)) / 100 as decimal(12,2)) as amount,
    ['EUR', 'EUR', 'EUR', 'USD', 'GBP', 'SEK'][1 + draw('currency', i, 6)] as currency,
    case when draw('type', i, 25) = 0 then 'refund' else 'purchase' end as "type",
    case when draw('category', i, 20) > 0 then ['groceries', 'travel', 'books', 'rent'][1 + draw('which', i, 4)] end as category,
    case when pending then 'pending' when draw('failed', i, 50) = 0 then 'failed' else 'settled' end as status,
    happened + to_seconds(case when pending then 5 else 60 + draw('settle', i, 3600) end) as updated_at
from drawn
order by i
