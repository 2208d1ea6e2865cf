-- What rules remember about people from one reading to the next, in their own form.
CREATE TABLE rule_memory (
    rule   TEXT NOT NULL,
    person TEXT NOT NULL REFERENCES person (id),
    memory TEXT NOT NULL,
    at_ms  BIGINT NOT NULL,
    PRIMARY KEY (rule, person)
);
