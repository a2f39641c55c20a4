-- Cents are dealt out item by item, so that the items of an order add up to its total exactly.
with placed as (
    select
        orders."date",
        products.department,
        orders.order_id,
        orders.user_id,
        items.product_id,
        items.reordered,
        cast(orders.total_amount * 100 as bigint) as cents,
        row_number() over (partition by orders.order_id order by items.id) as place,
        count(*) over (partition by orders.order_id) as places
    from order_items as items
    join orders on orders.order_id = items.order_id
    join products on products.product_id = items.product_id
)

select
    "date",
    department,
    count(distinct order_id) as orders,
    count(distinct user_id) as customers,
    count(*) as items,
    count(distinct product_id) as products,
    cast(cast(sum(cents * place // places - cents * (place - 1) // places) as decimal(16,0)) * 0.01 as decimal(14,2)) as sales,
    round(count(*) filter (where reordered) / cast(nullif(count(reordered), 0) as double), 4) as reordered_share
from placed
group by "date", department
