-- A correction of the reading of 10:00, posted an hour later: the newer object wins.
select '{"source":"iot_sensors","data":{"device_id":"device_0001","temperature":22.5,"humidity":48,"timestamp":"2026-11-20T10:00:00Z"},"metadata":{"location":"warehouse_a","firmware_version":"2.1.0"}}' as text
