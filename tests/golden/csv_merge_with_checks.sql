with read as (
    select *
    from orders_as_read
),
tried as (
    select _file,
           _problem,
           _raw,
           read."id" as "_0",
           read."total amount" as "_1",
           read."placed" as "_2",
           read."country" as "_3",
           try_cast(read."id" as bigint) as _t0,
           try_cast(read."total amount" as decimal(12,2)) as _t1,
           try_cast(try_strptime(read."placed", '%d.%m.%Y %H:%M') as timestamptz) as _t2,
           read."country" as _t3
    from read
),
typed as (
    select * exclude (_t0, _t1, _t2, _t3),
           case when cast(_t0 as varchar) = _0 then _t0 when regexp_full_match(_0, '\s*[+-]?[0-9]+(\.0*)?\s*') then try_cast(regexp_extract(_0, '[+-]?[0-9]+') as bigint) end as "id",
           case when cast(_t1 as varchar) = _1 then _t1 when regexp_full_match(_1, '\s*[+-]?([0-9]+\.?|[0-9]*\.[0-9]{1,2})0*\s*') then try_cast(_1 as decimal(12,2)) end as "total amount",
           case when _t2 between timestamptz '0001-01-01 00:00:00Z' and timestamptz '9999-12-31 23:59:59.999999Z' then _t2 end as "placed",
           _t3 as "country"
    from tried
),
computed as (
    select *,
           try(cast((cast(placed as date)) as date)) as "day"
    from typed
),
checked as (
    select *,
           coalesce(try(if(("total amount" >= 0) is false, 1, 0)), 2) as _k0,
           coalesce(try(if((placed > timestamptz '2000-01-01 00:00:00+00') is false, 1, 0)), 2) as _k1,
           coalesce(try(if(("total amount" < 10000) is false, 1, 0)), 2) as _k2,
           if("day" is null, try(cast((cast(placed as date)) as date) is null) is null, false) as _f0
    from computed
),
judged as (
    select *,
           case when _problem is not null then [_problem]
               when "_0" is not null and "id" is null
                   or "_0" is null
                   or "_1" is not null and "total amount" is null
                   or "_2" is not null and "placed" is null
                   or "_3" is null
                   or lower("country") in ('', '__hive_default_partition__', 'null')
                   or _f0
                   or _k0 = 1
                   or _k0 = 2
               then list_filter([
                   case when "_0" is not null and "id" is null then 'id: not bigint' end,
                   case when "_0" is null then 'id: required' end,
                   case when "_1" is not null and "total amount" is null then 'total amount: not decimal(12,2)' end,
                   case when "_2" is not null and "placed" is null then 'placed: not timestamp' end,
                   case when "_3" is null then 'country: required' end,
                   case when lower("country") in ('', '__hive_default_partition__', 'null') then 'country: a partition''s value cannot be this text' end,
                   case when _f0 then 'day: cannot be computed' end,
                   case when _k0 = 1 then 'check amount_not_negative' end,
                   case when _k0 = 2 then 'check amount_not_negative: cannot be computed' end
               ], lambda reason: reason is not null) end as _reasons,
           case when _problem is null and _k1 > 0
               then list_filter([
                   case when _problem is null and _k1 > 0 then 'clock_was_set' end
               ], lambda reason: reason is not null) end as _failed,
           case when _problem is null and _k2 > 0
               then list_filter([
                   case when _problem is null and _k2 > 0 then 'amount_is_usual' end
               ], lambda reason: reason is not null) end as _warned
    from checked
)
select _file,
       _problem,
       "id",
       "total amount",
       "placed",
       "country",
       "day",
       _reasons,
       _failed,
       _warned,
       case when _reasons is not null then _raw end as _raw
from judged
