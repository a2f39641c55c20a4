-- Every eighth without a country, every tenth without a plan.
select
    i + 1 as user_id,
    case when draw('nowhere', i, 8) > 0 then ['DE', 'FR', 'GB', 'SE', 'US'][1 + draw('country', i, 5)] end as country,
    case when draw('planless', i, 10) > 0 then ['free', 'free', 'basic', 'pro'][1 + draw('plan', i, 4)] end as plan,
    timestamp '2025-01-01 00:00:00' + to_seconds(draw('signed', i, 600 * 86400)) as signed_up_at,
    timestamp '2026-11-01 00:00:00' + to_seconds(draw('updated', i, 15 * 86400)) as updated_at
from range($rows) as numbers(i)
