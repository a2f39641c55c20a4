with read as (
    select *
    from events_as_read
),
tried as (
    select _file,
           _problem,
           _raw,
           _rescued,
           read."id" as "_0",
           read."say ""hi""; --" as "_1",
           try_cast(read."id" as bigint) as _t0,
           try_cast(read."say ""hi""; --" as boolean) as _t1
    from read
),
typed as (
    select * exclude (_t0, _t1),
           case when cast(_t0 as varchar) = _0 then _t0 when regexp_full_match(_0, '\s*[+-]?[0-9]+(\.0*)?\s*') then try_cast(regexp_extract(_0, '[+-]?[0-9]+') as bigint) end as "id",
           _t1 as "say ""hi""; --"
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
               when "_0" is not null and "id" is null
                   or "_0" is null
                   or "_1" is not null and "say ""hi""; --" is null
               then list_filter([
                   case when "_0" is not null and "id" is null then 'id: not bigint' end,
                   case when "_0" is null then 'id: required' end,
                   case when "_1" is not null and "say ""hi""; --" is null then 'say "hi"; --: not boolean' end
               ], lambda reason: reason is not null) end as _reasons
    from checked
)
select _file,
       "id",
       "say ""hi""; --",
       _rescued,
       _reasons,
       case when _reasons is not null then _raw end as _raw
from judged
