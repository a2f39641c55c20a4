-- Two items an order; a first order has no order before it.
with drawn as (
    select
        n // 2 as i,
        n,
        timestamp '2026-11-01 00:00:00' + to_seconds(draw('ordered', n // 2, 18 * 86400)) as happened
    from range(2 * $rows) as numbers(n)
)

select
    n + 1 as id,
    i + 1 as order_id,
    1 + draw('user', i, greatest($rows // 4, 1)) as user_id,
    case when draw('num', i, 12) > 0 then 1 + draw('days', i, 30) end as days_since_prior_order,
    1 + draw('product', n, greatest($rows // 10, 20)) as product_id,
    1 + n % 2 as add_to_cart_order,
    case when draw('num', i, 12) > 0 then draw('reordered', n, 2) else 0 end as reordered,
    happened as order_timestamp,
    cast(happened as date) as "date"
from drawn
order by n
