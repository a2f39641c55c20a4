-- A header of another system: set aside whole.
select 1 as id, 'produce' as department, 'Bananas' as "name"
