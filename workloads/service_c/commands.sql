-- The employees database as commands of Valkey: each line that these queries answer is one (inline commands, as
-- valkey-cli --pipe sends them). A hash holds a row, a list of employee numbers indexes a title; salaries alone are
-- a hash an employee, as 2.8 million small ones would not fit into the container.
--
-- Every table has a Valkey database of its own. They are dumped and loaded one after the other, so that a table's
-- rows lie together in the heap, in no order, as they do in a table space. With all keys in one database the query
-- would need more than twice as many pages, more than the guest has beside alpha.

SELECT 'SELECT 0';
SELECT CONCAT_WS(' ', 'HSET', CONCAT('employee:', emp_no), 'emp_no', emp_no, 'birth_date', birth_date,
	'first_name', QUOTE(first_name), 'last_name', QUOTE(last_name), 'gender', gender, 'hire_date', hire_date)
FROM employees;
SELECT CONCAT_WS(' ', 'RPUSH', QUOTE(CONCAT('title:', title)), emp_no) FROM titles;

SELECT 'SELECT 1';
SELECT CONCAT_WS(' ', 'HSET', QUOTE(CONCAT_WS(':', 'title', emp_no, title, from_date)), 'emp_no', emp_no,
	'title', QUOTE(title), 'from_date', from_date, 'to_date', to_date)
FROM titles;

SELECT 'SELECT 2';
SELECT CONCAT_WS(' ', 'HSET', CONCAT_WS(':', 'dept_emp', emp_no, dept_no), 'emp_no', emp_no,
	'dept_no', dept_no, 'from_date', from_date, 'to_date', to_date)
FROM dept_emp;

SELECT 'SELECT 3';
SELECT CONCAT_WS(' ', 'HSET', CONCAT('salaries:', emp_no),
	GROUP_CONCAT(from_date, '.salary ', salary, ' ', from_date, '.to_date ', to_date SEPARATOR ' '))
FROM salaries GROUP BY emp_no;
