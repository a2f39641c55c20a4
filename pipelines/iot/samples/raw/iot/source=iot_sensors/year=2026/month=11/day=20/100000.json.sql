-- Posted twice, a beta firmware with a field of its own, and readings that cannot be attributed.
select unnest([
    '{"source":"iot_sensors","data":{"device_id":"device_0001","temperature":21.5,"humidity":48,"timestamp":"2026-11-20T10:00:00Z"},"metadata":{"location":"warehouse_a","firmware_version":"2.1.0"}}',
    '{"source":"iot_sensors","data":{"device_id":"device_0001","temperature":21.5,"humidity":48,"timestamp":"2026-11-20T10:00:00Z"},"metadata":{"location":"warehouse_a","firmware_version":"2.1.0"}}',
    '{"source":"iot_sensors","data":{"device_id":"device_0002","temperature":22.0,"humidity":120,"timestamp":"2026-11-20T10:00:00Z"},"metadata":{"location":"warehouse_a","firmware_version":"3.0-beta"},"battery":{"volts":3.1}}',
    '{"source":"iot_sensors","data":{"temperature":20.0,"humidity":50,"timestamp":"2026-11-20T10:00:00Z"},"metadata":{"location":"warehouse_a","firmware_version":"2.1.0"}}',
    '{"source":"iot_sensors","data":{"device_id":"device_0003","temperature":"warm","humidity":50,"timestamp":"2026-11-20T10:00:00Z"},"metadata":{"location":"warehouse_a","firmware_version":"2.1.0"}}',
    '{"source":"iot_sensors","data":{"device_id":"device_0004","temperature":20.0,"humidity":50,"timestamp":"1970-01-01T00:00:12Z"},"metadata":{"location":"warehouse_a","firmware_version":"2.1.0"}}'
]) as text
