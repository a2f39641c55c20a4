select
    source,
    "year",
    "month",
    coalesce(location, 'unknown') as location,
    count(*) as readings,
    count(distinct device_id) as devices,
    round(avg(temperature) filter (where temperature between -40 and 85), 2) as avg_temperature,
    min(temperature) filter (where temperature between -40 and 85) as min_temperature,
    max(temperature) filter (where temperature between -40 and 85) as max_temperature,
    round(avg(humidity) filter (where humidity between 0 and 100), 2) as avg_humidity,
    round(avg(quality_score), 4) as avg_quality,
    count(*) filter (where quality_score < 1) as imperfect_readings,
    min("timestamp") as first_reading_at,
    max("timestamp") as last_reading_at
from sensor_readings
group by source, "year", "month", coalesce(location, 'unknown')
