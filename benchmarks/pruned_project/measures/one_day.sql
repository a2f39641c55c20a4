select device, count(*) as measures, min(value_0) as lowest, max(value_1) as highest
from measures
where day = date '2026-03-01'
group by device
