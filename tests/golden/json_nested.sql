with read as (
    select *
    from readings_as_read
),
tried as (
    select _file,
           _problem,
           _raw,
           read."device" as "_0",
           read."at" as "_1",
           read."temperature" as "_2",
           read."tags" as "_3",
           read."position" as "_4",
           read."rest" as "_5",
           read."device" as _t0,
           case when ends_with(read."at", 'Z') then try_cast(read."at" as timestamptz) when regexp_matches(read."at", '[A-Za-z][A-Za-z]') then try_cast(read."at" as timestamptz) else try_cast(read."at" as timestamptz) end as _t1,
           try_cast(read."temperature" as double) as _t2,
           try_cast(try_cast(read."tags" as json) as varchar[]) as _t3,
           try_cast(try_cast(read."position" as json) as struct("lat" double, "lon" double)) as _t4,
           read."rest" as _t5
    from read
),
typed as (
    select * exclude (_t0, _t1, _t2, _t3, _t4, _t5),
           _t0 as "device",
           case when length(_1) <= 20 and ends_with(_1, 'Z') and _t1 between timestamptz '1970-01-02 00:00:00Z' and timestamptz '9999-12-31 23:59:59.999999Z' then _t1 when (strpos(_1, '.') between 1 and length(_1) - 7 and regexp_matches(_1, '\.[0-9]{6}[0-9]*[1-9]')) or (length(_1) > 19 and not ends_with(_1, 'Z') and regexp_matches(right(_1, 6), '[+-](1[5-9]|[2-9][0-9])(:?[0-9]{2})?$|[+-][0-9]{2}:?[6-9][0-9]$')) then null when _t1 between timestamptz '0001-01-01 00:00:00Z' and timestamptz '9999-12-31 23:59:59.999999Z' and (_t1 >= timestamptz '1970-01-02 00:00:00Z' or regexp_matches(_1, '^\s*[0-9]{4}')) then _t1 end as "at",
           case when (isfinite(_t2) or isnan(_t2) or contains(lower(_2), 'inf')) and not contains(_2, '_') and (_t2 <> 0 or not regexp_matches(_2, '^[^eE]*[1-9]')) then _t2 end as "temperature",
           case when json_contains(to_json(_t3), try_cast(_3 as json)) then _t3 end as "tags",
           case when json_contains(to_json(_t4), try_cast(_4 as json)) then _t4 end as "position",
           case when json_valid(_5) then _5 end as "rest"
    from tried
),
computed as (
    select *
    from typed
),
checked as (
    select *
    from computed
),
judged as (
    select *,
           case when _problem is not null then [_problem]
               when "_0" is null
                   or "_1" is not null and "at" is null
                   or "_2" is not null and "temperature" is null
                   or "_3" is not null and "tags" is null
                   or "_4" is not null and "position" is null
                   or "_5" is not null and "rest" is null
               then list_filter([
                   case when "_0" is null then 'device: required' end,
                   case when "_1" is not null and "at" is null then 'at: not timestamp' end,
                   case when "_2" is not null and "temperature" is null then 'temperature: not double' end,
                   case when "_3" is not null and "tags" is null then 'tags: not varchar[]' end,
                   case when "_4" is not null and "position" is null then 'position: not struct("lat" double, "lon" double)' end,
                   case when "_5" is not null and "rest" is null then 'rest: not json' end
               ], lambda reason: reason is not null) end as _reasons
    from checked
)
select _file,
       "device",
       "at",
       "temperature",
       "tags",
       "position",
       "rest",
       _reasons,
       case when _reasons is not null then _raw end as _raw
from judged
