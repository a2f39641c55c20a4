with drawn as (
    select i, timestamp '2026-11-01 00:00:00' + to_seconds(draw('ordered', i, 18 * 86400)) as happened
    from range($rows) as numbers(i)
)

select
    1 + draw('num', i, 12) as order_num,
    i + 1 as order_id,
    1 + draw('user', i, greatest($rows // 4, 1)) as user_id,
    happened as order_timestamp,
    cast((500 + draw('total', i, 15000)) / 100 as decimal(12,2)) as total_amount,
    cast(happened as date) as "date"
from drawn
order by i
