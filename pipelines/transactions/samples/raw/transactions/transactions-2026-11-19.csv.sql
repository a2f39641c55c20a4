-- The day after: what was pending is settled, new transactions, and some rows that nobody can use.
with drawn as (
    select i, timestamp '2026-11-16 00:00:00' + to_seconds(draw('time', i, 3 * 86400)) as happened
    from range($rows) as numbers(i)
    where draw('pending', i, 10) = 0
),

settled as (
    select
        format('T{:08d}', i) as transaction_id,
        100000 + draw('account', i, greatest($rows // 20, 10)) as account_id,
        happened as "timestamp",
        cast(cast((100 + draw('amount', i, 40000)) / 100 as decimal(12,2)) as varchar) as amount,
        ['EUR', 'EUR', 'EUR', 'USD', 'GBP', 'SEK'][1 + draw('currency', i, 6)] as currency,
        case when draw('type', i, 25) = 0 then 'refund' else 'purchase' end as "type",
        coalesce(case when draw('category', i, 20) > 0 then ['groceries', 'travel', 'books', 'rent'][1 + draw('which', i, 4)] end, 'other') as category,
        'settled' as status,
        happened + interval 1 day as updated_at
    from drawn
    order by i
),

new as (
    select
        format('N{:08d}', i),
        100000 + draw('account', -i, greatest($rows // 20, 10)),
        timestamp '2026-11-19 00:00:00' + to_seconds(draw('time', -i, 86400)) as happened,
        cast(cast((100 + draw('amount', -i, 40000)) / 100 as decimal(12,2)) as varchar),
        'EUR', 'purchase', 'groceries', 'settled', happened + interval 20 minute
    from range(1, 1 + greatest($rows // 10, 1)) as numbers(i)
),

odd as (
    from (values
        ('X0000001', 100001, timestamp '2026-11-19 08:00:00', 'n/a', 'EUR', 'purchase', 'books', 'settled', timestamp '2026-11-19 08:01:00'),
        ('X0000002', 100001, timestamp '2026-11-19 08:05:00', '-12.00', 'EUR', 'purchase', 'books', 'settled', timestamp '2026-11-19 08:06:00'),
        ('X0000003', null, timestamp '2026-11-19 08:10:00', '12.00', 'EUR', 'chargeback', 'books', 'settled', timestamp '2026-11-19 08:11:00'),
        ('X0000004', 100002, timestamp '2026-11-19 09:00:00', '10.005', 'EUR', 'purchase', 'books', 'settled', timestamp '2026-11-19 09:01:00'),
        (null, 100002, timestamp '2026-11-19 09:05:00', '10.00', 'EUR', 'purchase', 'books', 'settled', timestamp '2026-11-19 09:06:00'),
        -- the same transaction twice in one file: the newer version is kept
        ('X0000006', 100003, timestamp '2026-11-19 10:00:00', '30.00', 'EUR', 'purchase', 'rent', 'pending', timestamp '2026-11-19 10:00:05'),
        ('X0000006', 100003, timestamp '2026-11-19 10:00:00', '30.00', 'EUR', 'purchase', 'rent', 'settled', timestamp '2026-11-19 10:30:00'),
        -- loaded with a warning, and not trusted
        ('X0000007', 100003, timestamp '2026-11-19 11:00:00', '25000.00', 'EUR', 'purchase', 'rent', 'settled', timestamp '2026-11-19 11:30:00'))
)

from settled union all from new union all from odd
