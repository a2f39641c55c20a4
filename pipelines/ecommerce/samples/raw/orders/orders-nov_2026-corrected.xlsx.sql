-- The last order with its total corrected, an older version of order 1, and rows that nobody can use.
with sent(order_num, order_id, user_id, order_timestamp, total_amount, "date") as (
    values
        (1, $rows, 1, timestamp '2026-11-19 12:00:00', '99.95', date '2026-11-19'),
        (1, 1, 1, timestamp '2026-10-31 12:00:00', '0.01', date '2026-10-31'),
        (1, 900001, 1, timestamp '2026-11-19 12:05:00', 'n/a', date '2026-11-19'),
        (1, 900002, 1, timestamp '2026-11-19 12:10:00', '10.00', date '2026-11-20'),
        (1, null, 1, timestamp '2026-11-19 12:15:00', '10.00', date '2026-11-19'),
        (0, 900004, 1, timestamp '2026-11-19 12:20:00', '10.00', date '2026-11-19')
)

from sent
