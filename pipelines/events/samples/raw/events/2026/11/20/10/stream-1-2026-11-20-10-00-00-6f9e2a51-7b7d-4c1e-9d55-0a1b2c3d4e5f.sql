-- A producer under test: milliseconds for seconds, a name without a subtype, no id, a word for a time, a key that nobody declared; then a good one.
select unnest([
    '{"event_uuid":"0c9f9c3e-57d2-4b43-9a0e-000000000001","event_name":"lesson:started","created_at":1795168800000,"user_id":1,"payload":{}}',
    '{"event_uuid":"0c9f9c3e-57d2-4b43-9a0e-000000000002","event_name":"lesson","created_at":1795168801,"user_id":1,"payload":{}}',
    '{"event_name":"lesson:started","created_at":1795168802,"user_id":1,"payload":{}}',
    '{"event_uuid":"0c9f9c3e-57d2-4b43-9a0e-000000000004","event_name":"lesson:started","created_at":"ten o''clock","user_id":1,"payload":{}}',
    '{"event_uuid":"0c9f9c3e-57d2-4b43-9a0e-000000000005","event_name":"lesson:started","created_at":1795168804,"user_id":1,"payload":{},"experiment":"b"}',
    '{"event_uuid":"0c9f9c3e-57d2-4b43-9a0e-000000000006","event_name":"lesson:started","created_at":1795168805,"user_id":1,"payload":{"note":"}{"}}'
]) as text
