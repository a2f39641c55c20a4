-- Items of an order and a product that the lake does not know, an item twice, a flag that is no flag.
with sent(id, order_id, user_id, days_since_prior_order, product_id, add_to_cart_order, reordered) as (
    values
        (9000001, 1, 1, 3, 2, 3, '1'),
        (9000001, 1, 1, 3, 2, 3, '1'),
        (9000002, 8000001, 1, 3, 2, 1, '0'),
        (9000003, 1, 1, 3, 8000001, 4, '0'),
        (9000004, 1, 1, -3, 3, 5, '0'),
        (9000005, 1, 1, 3, 4, 6, 'maybe')
)

select *, timestamp '2026-11-19 12:00:00' as order_timestamp, date '2026-11-19' as "date" from sent
