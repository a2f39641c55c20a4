select event_id, event_name, event_subtype, created_datetime as created_at, user_id, payload, event_type, "date"
from learning_events
qualify row_number() over (partition by event_id order by created_at, _source_time, _source, _row) = 1
