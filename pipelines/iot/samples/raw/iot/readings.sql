-- One object per source and day. One temperature in thirty is missing, one in a hundred impossible; one location in fifty is not set.
with drawn as (
    select
        i,
        ['iot_sensors', 'gateways', 'mobile_app'][1 + draw('source', i, 3)] as source,
        draw('device', i, greatest($rows // 100, 5)) as device,
        timestamp '2026-10-30 00:00:00' + to_minutes(draw('time', i, 6 * 1440)) as happened
    from range($rows) as numbers(i)
)

select
    format('source={}/year={}/month={:02d}/day={:02d}/readings.json', source, year(happened), month(happened), day(happened)) as _object,
    source,
    {
        device_id: format('device_{:04d}', device),
        temperature: case
            when draw('cold', i, 30) = 0 then null
            when draw('hot', i, 100) = 0 then 999.9
            else cast(10 + draw('temperature', i, 250) / 10 as decimal(5,1))
        end,
        humidity: 30 + draw('humidity', i, 60),
        "timestamp": strftime(happened, '%Y-%m-%dT%H:%M:%SZ')
    } as data,
    {
        location: case when draw('lost', device, 50) > 0 then 'warehouse_' || ['a', 'b', 'c'][1 + draw('location', device, 3)] end,
        firmware_version: ['2.0.4', '2.1.0', '2.1.0'][1 + draw('firmware', device, 3)]
    } as metadata
from drawn
order by i
