select
    i as order_id,
    timestamp '2026-01-01 00:00:00' + to_seconds(draw('ordered_at', i, 28000000)) as ordered_at,
    format('customer_{:05d}', draw('customer', i, 100000)) as customer,
    ['books', 'garden', 'music', 'shoes', 'toys'][1 + draw('department', i, 5)] as department,
    cast(draw('amount', i, 100000) as decimal(12,2)) / 4 as amount,
    draw('quantity', i, 10) as quantity,
    draw('paid', i, 4) > 0 as paid,
    case when draw('remarked', i, 3) = 0 then 'a remark of a few words ' || draw('remark', i, 1000) end as remark
from range($rows) as numbers(i)
order by i
