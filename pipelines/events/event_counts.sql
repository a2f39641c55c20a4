select "date", event_type, event_name, count(*) as events, count(distinct user_id) as users
from daily_events
group by "date", event_type, event_name
