-- One object per hour of delivery, as Firehose names and fills them. One event in forty is delivered again, in the object of the next hour.
with drawn as (
    select i, 1795003200 + draw('time', i, 24 * 3600) as created_at    -- from 2026-11-18 12:00 UTC
    from range($rows) as numbers(i)
),

delivered as (
    select i, created_at, created_at + 60 + draw('delay', i, 600) as delivered_at from drawn
    union all
    select i, created_at, created_at + 3600 from drawn where draw('again', i, 40) = 0
)

select
    strftime(hour_of, '%Y/%m/%d/%H/stream-1-%Y-%m-%d-%H-00-00-')
        || format('{:08x}-0000-4000-8000-000000000000', epoch(hour_of)::bigint) as _object,
    cast(md5(concat(getvariable('seed'), ' ', i)) as uuid) as event_uuid,
    ['lesson:started', 'lesson:completed', 'lesson:aborted', 'account:created', 'payment:order:completed'][1 + draw('name', i, 5)] as event_name,
    created_at,
    case when draw('signed', i, 20) > 0 then 1 + draw('user', i, greatest($rows // 10, 1)) end as user_id,
    {language: ['deu', 'spa', 'ita'][1 + draw('language', i, 3)], lesson: {id: draw('lesson', i, 500), minutes: draw('minutes', i, 20)}} as payload
from (select *, time_bucket(interval 1 hour, cast(to_timestamp(delivered_at) as timestamp)) as hour_of from delivered)
order by delivered_at, i
