-- total_amount is missing and a currency came instead: set aside whole.
select
    1 as order_num,
    900010 as order_id,
    1 as user_id,
    timestamp '2026-11-19 12:00:00' as order_timestamp,
    'EUR' as currency,
    date '2026-11-19' as "date"
