with newest_users as (
    select user_id, country, plan, signed_up_at
    from commerce_users
    qualify row_number() over (partition by user_id order by updated_at desc, _source_time desc, _source desc, _row desc) = 1
),

-- distinct: a record that was sent in two files counts once
events_of_user as (
    select
        user_id,
        count(*) as events,
        count(*) filter (where event_type = 'cart') as carts,
        max(occurred_at) as last_event_at
    from (select distinct event_id, user_id, event_type, occurred_at from commerce_events)
    group by user_id
),

orders_of_user as (
    select
        user_id,
        count(*) as orders,
        sum(coalesce(amount, 0)) as total_amount,
        max(ordered_at) as last_order_at
    from (select distinct order_id, user_id, amount, ordered_at from commerce_orders)
    group by user_id
)

select
    users.user_id,
    coalesce(users.country, 'unknown') as country,
    coalesce(users.plan, 'unknown') as plan,
    users.signed_up_at,
    coalesce(events.events, 0) as events,
    coalesce(events.carts, 0) as carts,
    coalesce(orders.orders, 0) as orders,
    cast(coalesce(orders.total_amount, 0) as decimal(18,2)) as total_amount,
    events.last_event_at,
    orders.last_order_at
from newest_users as users
left join events_of_user as events on events.user_id = users.user_id
left join orders_of_user as orders on orders.user_id = users.user_id
