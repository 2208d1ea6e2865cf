-- Conditions of indexes as both engines can say them: a truth value is a number, and compared as one.
DROP INDEX record_identity;
CREATE INDEX record_identity ON record (identity) WHERE identity_class = 'counter' OR taken_again = 1;
DROP INDEX agent_to_throw_out;
CREATE INDEX agent_to_throw_out ON agent (id) WHERE revoked_ms IS NOT NULL AND connected = 1;
