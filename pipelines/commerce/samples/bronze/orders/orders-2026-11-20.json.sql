-- A refund that belongs elsewhere, an amount in words, more digits than money has, and one good order.
from (values
    (9000000001, 1, '49.90', timestamp '2026-11-20 08:00:00'),
    (9000000002, 1, '-49.90', timestamp '2026-11-20 08:01:00'),
    (9000000003, 1, 'n/a', timestamp '2026-11-20 08:02:00'),
    (9000000004, 1, '10.005', timestamp '2026-11-20 08:03:00')) as sent(order_id, user_id, amount, ordered_at)
