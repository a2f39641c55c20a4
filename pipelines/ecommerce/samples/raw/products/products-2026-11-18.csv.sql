with departments as (
    select ['produce', 'dairy eggs', 'snacks', 'beverages', 'frozen', 'bakery', 'household', 'pantry'] as names
)

select
    i + 1 as product_id,
    1 + draw('department', i, 8) as department_id,
    names[1 + draw('department', i, 8)] as department,
    ['Organic', 'Fresh', 'Large, ripe', 'Grandma''s "best"', 'Plain'][1 + draw('kind', i, 5)] || ' no. ' || (i + 1) as product_name
from range(greatest($rows // 10, 20)) as numbers(i), departments
order by i
