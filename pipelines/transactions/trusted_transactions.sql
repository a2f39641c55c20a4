select
    transaction_id,
    account_id,
    "timestamp",
    amount,
    cast(case "type" when 'refund' then -amount else amount end as decimal(12,2)) as signed_amount,
    currency,
    "type",
    category,
    dayname(dt_reference) as weekday,
    cast(hour("timestamp") as integer) as hour,
    cast(date_diff('second', "timestamp", updated_at) as bigint) as seconds_to_settle,
    dt_reference
from transactions
where status = 'settled'
  and currency in ('EUR', 'GBP', 'USD')
  and amount < 10000
  and category is not null
