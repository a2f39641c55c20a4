-- One in a hundred moved since. User 1 also comes in an older version, which does not win; one country is spelt out, one user has no id.
select
    i + 1 as user_id,
    'NO' as country,
    'pro' as plan,
    timestamp '2025-01-01 00:00:00' + to_seconds(draw('signed', i, 600 * 86400)) as signed_up_at,
    timestamp '2026-11-19 12:00:00' as updated_at
from range(0, $rows, 100) as numbers(i)
union all
from (values
    (1, 'AQ', 'free', timestamp '2025-01-01 00:00:00', timestamp '2025-01-01 00:00:00'),
    (2, 'Norway', 'free', timestamp '2025-01-01 00:00:00', timestamp '2026-11-19 12:00:00'),
    (null, 'DE', 'free', timestamp '2025-01-01 00:00:00', timestamp '2026-11-19 12:00:00'))
