-- A thousand files, whatever the number of rows.
select
    format('{:04d}.jsonl', i % 1000) as _object,
    i as reading_id,
    format('device_{:03d}', draw('device', i, 200)) as device,
    cast((draw('temperature', i, 600) - 150) / 10.0 as double) as temperature,
    timestamp '2026-11-20 00:00:00' + to_seconds(i) as measured_at
from range($rows) as numbers(i)
order by i
