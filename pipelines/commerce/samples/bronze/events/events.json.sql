-- Some users have no event; one event in fifty does not say what it is.
select
    i + 1 as event_id,
    draw('user', i, $rows) + 1 as user_id,
    case when draw('untyped', i, 50) > 0 then ['view', 'view', 'search', 'cart', 'checkout'][1 + draw('type', i, 5)] end as event_type,
    timestamp '2026-11-01 00:00:00' + to_seconds(draw('time', i, 18 * 86400)) as occurred_at
from range($rows) as numbers(i)
