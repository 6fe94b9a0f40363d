#!/usr/bin/ruby
# frozen_string_literal: true

# The paper's query.cgi, its four steps marked: names and titles joined, for one title.
require "mysql2"

TITLE = ENV.fetch("SERVICE_A_TITLE")

# 1. Connect to the RDBMS, as the user that httpd runs as (no password: unix_socket authentication).
client = Mysql2::Client.new(socket: "/run/mysqld/mysqld.sock", username: "www-data", database: "employees")

# 2. Send the query.
rows = client.query(<<~SQL, stream: true, cache_rows: false, as: :array)
  SELECT e.first_name, e.last_name, t.title
  FROM employees e JOIN titles t ON t.emp_no = e.emp_no
  WHERE t.title = '#{client.escape(TITLE)}'
SQL

# 3. Fetch each row as it comes, and 4. write it to the browser.
$stdout.write("Content-Type: text/plain; charset=utf-8\r\n\r\n")
rows.each { |row| $stdout.write(row.join("\t"), "\n") }
