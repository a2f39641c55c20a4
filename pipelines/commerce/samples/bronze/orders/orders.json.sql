-- Some users have no order; one order in forty was paid by a voucher and has no amount.
select
    i + 1 as order_id,
    draw('buyer', i, $rows) + 1 as user_id,
    case when draw('voucher', i, 40) > 0 then cast((100 + draw('amount', i, 50000)) / 100 as decimal(12,2)) end as amount,
    timestamp '2026-11-01 00:00:00' + to_seconds(draw('ordered', i, 18 * 86400)) as ordered_at
from range($rows) as numbers(i)
