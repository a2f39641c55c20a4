-- Compressed, and late: events of two days before.
select
    cast(md5(concat(getvariable('seed'), ' late ', i)) as uuid) as event_uuid,
    'lesson:completed' as event_name,
    1794996000 + 60 * i as created_at,
    1 + i as user_id,
    {language: 'ita', lesson: {id: i, minutes: 5}} as payload
from range(5) as numbers(i)
