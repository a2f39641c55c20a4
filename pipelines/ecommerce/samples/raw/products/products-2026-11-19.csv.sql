-- Product 1 is renamed, one row has no name, one number is a word, one product comes twice.
from (values
    ('1', '1', 'produce', 'Organic no. 1, new recipe'),
    ('900001', '2', 'dairy eggs', 'Oat drink'),
    ('900001', '2', 'dairy eggs', 'Oat drink'),
    ('900002', '2', 'dairy eggs', null),
    ('nine', '2', 'dairy eggs', 'Butter'),
    ('-5', '2', 'dairy eggs', 'Cheese')) as sent(product_id, department_id, department, product_name)
