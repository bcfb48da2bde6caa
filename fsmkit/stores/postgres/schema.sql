-- The schema of fsmkit.stores.postgres, version 5. PostgresStore runs this by itself when it opens; it may as
-- well be run by hand (psql -f) by someone who has the rights. `fsmkit.` is replaced by the store's schema.
-- The functions are in functions.sql. All times of leases and claims are this server's; `wake` and
-- `filed` are times of the bot's own clock.

CREATE TABLE IF NOT EXISTS fsmkit.schema_version (version int NOT NULL);

-- What is stored for a key. `filed` is never later than `wake`, but for rows that a sweeper has just taken: a
-- step usually moves the deadline to a later time, and leaving `filed` alone keeps the update away from every
-- index (HOT). The sweeper files such rows anew when the earlier time comes. `stalled` is to `claim` the same.
CREATE TABLE IF NOT EXISTS fsmkit.rows (
    key text COLLATE "C" PRIMARY KEY,
    chat text COLLATE "C" NOT NULL GENERATED ALWAYS AS (split_part(key, ':', 1)) STORED,
    person text COLLATE "C" NOT NULL GENERATED ALWAYS AS (split_part(key, ':', 2)) STORED,
    bot text COLLATE "C" NOT NULL GENERATED ALWAYS AS (split_part(key, ':', 5)) STORED,
    commits bigint[] NOT NULL,           -- the last eight, newest first; the first one is the row's version
    blob bytea,
    wake float8,
    filed float8,
    flows text[] NOT NULL,               -- one element for each conversation, here and in the next two
    states text[] NOT NULL,
    deadlines float8[] NOT NULL,
    outbox bytea[] NOT NULL DEFAULT '{}',
    receipts bytea[] NOT NULL DEFAULT '{}',
    claim timestamptz,                   -- until when somebody delivers the outbox
    claimer bigint,                      -- who: the number of a store
    claimed bigint,                      -- by which of their commits
    stalled timestamptz,
    term interval,                       -- how long the claim was given for
    taker bigint                         -- whose sweeper has taken it last, until that one is found dead
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS rows_filed ON fsmkit.rows (bot, filed) WHERE filed IS NOT NULL;
CREATE INDEX IF NOT EXISTS rows_stalled ON fsmkit.rows (bot, stalled) WHERE stalled IS NOT NULL;
CREATE INDEX IF NOT EXISTS rows_person ON fsmkit.rows (person);
CREATE INDEX IF NOT EXISTS rows_chat ON fsmkit.rows (chat);
CREATE INDEX IF NOT EXISTS rows_flows ON fsmkit.rows USING gin (flows);

-- Unlogged: a crash of the server empties them, and then whoever held a lease has lost it, which is safe.
CREATE UNLOGGED TABLE IF NOT EXISTS fsmkit.leases (
    key text COLLATE "C" PRIMARY KEY,
    token bigint,                        -- who holds it; none: it is free
    until timestamptz NOT NULL,
    tickets bigint NOT NULL DEFAULT 0,
    waiting int NOT NULL DEFAULT 0,
    channel text,                        -- of the process that holds it
    term interval                        -- how long it holds
) WITH (fillfactor = 50);
CREATE UNLOGGED TABLE IF NOT EXISTS fsmkit.waiters (
    key text COLLATE "C" NOT NULL,
    ticket bigint NOT NULL,
    token bigint NOT NULL,
    channel text NOT NULL,
    term interval NOT NULL,
    seen timestamptz NOT NULL,
    PRIMARY KEY (key, ticket)
);

-- Who uses the store. While it listens it has an advisory lock that ends with its connection
-- (`fsmkit.lock_of`); of one that has none, `missed` says since when. Who was found dead stands here for a
-- minute more, so that all others hear of it.
CREATE UNLOGGED TABLE IF NOT EXISTS fsmkit.workers (
    channel text COLLATE "C" PRIMARY KEY,
    claimer bigint NOT NULL,
    beat timestamptz NOT NULL,
    missed timestamptz,
    died timestamptz
);

-- Updates that wait to be handled, and the ids of those that were (`struck`; nothing else is left of them).
CREATE TABLE IF NOT EXISTS fsmkit.inbox (
    bot text COLLATE "C" NOT NULL,
    id bigint NOT NULL,
    number bigserial,                    -- drawn under a lock for each bot: what is read in its order is whole
    line bigint NOT NULL,
    chat bigint NOT NULL,
    person bigint NOT NULL,
    received float8 NOT NULL,
    struck timestamptz,
    body bytea,
    PRIMARY KEY (bot, id)
);
ALTER TABLE fsmkit.inbox ADD COLUMN IF NOT EXISTS attempts int NOT NULL DEFAULT 0;
CREATE INDEX IF NOT EXISTS inbox_waiting ON fsmkit.inbox (bot, number) WHERE body IS NOT NULL;
CREATE INDEX IF NOT EXISTS inbox_line ON fsmkit.inbox (bot, line, number) WHERE body IS NOT NULL;
CREATE INDEX IF NOT EXISTS inbox_struck ON fsmkit.inbox (struck) WHERE struck IS NOT NULL;
CREATE TABLE IF NOT EXISTS fsmkit.dead_letters (
    bot text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    id bigint,
    chat bigint NOT NULL,
    person bigint NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (bot, name)
);

-- What earlier versions did not have.
ALTER TABLE fsmkit.leases ADD COLUMN IF NOT EXISTS channel text, ADD COLUMN IF NOT EXISTS term interval;
ALTER TABLE fsmkit.rows ADD COLUMN IF NOT EXISTS term interval;
ALTER TABLE fsmkit.rows ADD COLUMN IF NOT EXISTS taker bigint;
ALTER TABLE fsmkit.workers ADD COLUMN IF NOT EXISTS died timestamptz;
CREATE INDEX IF NOT EXISTS rows_taker ON fsmkit.rows (taker) WHERE taker IS NOT NULL;
