-- Records as a client in trouble sends them; the last is the first of events.json again.
select unnest([
    '{"event_id": 9000000001, "user_id": 1, "event_type": "view", "occurred_at": "2026-11-20T08:00:00Z"}',
    '{"event_id": 9000000002, "user_id": 1, "event_type": "cart", "occurred_at": "2026-11-20T08:0',
    '{"event_id": 9000000003, "event_type": "view", "occurred_at": "2026-11-20T08:02:00Z"}',
    '{"event_id": "nine", "user_id": 1, "event_type": "view", "occurred_at": "2026-11-20T08:03:00Z"}',
    '{"event_id": 9000000005, "user_id": 1, "event_type": "view", "occurred_at": "yesterday"}',
    '{"event_id": 9000000006, "user_id": 1, "event_type": "view", "occurred_at": "2026-11-20T08:05:00Z", "colour": "green"}',
    '{"event_id": 9000000007, "user_id": 9000000001, "event_type": "view", "occurred_at": "2026-11-20T08:06:00Z"}'
]) as line
union all
select cast(json_object(
    'event_id', i + 1,
    'user_id', draw('user', i, $rows) + 1,
    'event_type', case when draw('untyped', i, 50) > 0 then ['view', 'view', 'search', 'cart', 'checkout'][1 + draw('type', i, 5)] end,
    'occurred_at', strftime(timestamp '2026-11-01 00:00:00' + to_seconds(draw('time', i, 18 * 86400)), '%Y-%m-%dT%H:%M:%SZ')
) as varchar)
from range(1) as numbers(i)
