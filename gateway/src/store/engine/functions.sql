-- What SQLite has and PostgreSQL lacks, so that one SQL text runs on both. Written anew whenever a gateway starts.

CREATE OR REPLACE FUNCTION json_each(list text) RETURNS TABLE (key bigint, value text)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE ROWS 20 AS $$
    SELECT ordinality - 1, element FROM jsonb_array_elements_text(list::jsonb) WITH ORDINALITY AS each (element, ordinality)
$$;

CREATE OR REPLACE FUNCTION json_extract(list text, path text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT jsonb_path_query_first(list::jsonb, path::jsonpath) #>> '{}'
$$;

CREATE OR REPLACE FUNCTION unhex(digits text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT decode(digits, 'hex') $$;

-- Seconds since 1970, the same throughout a statement; `what` is 'subsec'.
CREATE OR REPLACE FUNCTION unixepoch(what text) RETURNS double precision
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT floor(extract(epoch FROM statement_timestamp()) * 1000)::double precision / 1000
$$;
