-- What registers take for granted in SQLite, for PostgreSQL.

-- name: create
-- The lesser and the greater of two numbers, and the members of a JSON array.
CREATE OR REPLACE FUNCTION min(a BIGINT, b BIGINT) RETURNS BIGINT LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS 'SELECT LEAST(a, b)';
CREATE OR REPLACE FUNCTION max(a BIGINT, b BIGINT) RETURNS BIGINT LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS 'SELECT GREATEST(a, b)';
CREATE OR REPLACE FUNCTION json_each(list TEXT) RETURNS TABLE (value TEXT) LANGUAGE SQL IMMUTABLE PARALLEL SAFE
AS 'SELECT jsonb_array_elements_text(list::jsonb)';
