-- What the statements of fsmkit.stores.postgres do. Each function is one statement of the store, and can be
-- repeated when its answer was lost: leases and commits are known by numbers that the client drew. Locks are
-- taken in one order: the lease, then the row. `fsmkit.` is replaced by the store's schema.

-- Gives a lease to the first in line, and tells its process, with the row where that fits (8000 bytes are the
-- limit of a notification). Who was silent for two thirds of the lease time has lost its place. The caller has
-- locked the lease.
CREATE OR REPLACE FUNCTION fsmkit.hand_over(p_key text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    w fsmkit.waiters;
    payload text;
BEGIN
    LOOP
        DELETE FROM fsmkit.waiters WHERE key = p_key
            AND ticket = (SELECT min(ticket) FROM fsmkit.waiters WHERE key = p_key) RETURNING * INTO w;
        IF NOT FOUND THEN
            UPDATE fsmkit.leases SET token = NULL, until = clock_timestamp(), waiting = 0 WHERE key = p_key;
            RETURN;
        END IF;
        EXIT WHEN w.seen > clock_timestamp() - w.term * 2 / 3;
    END LOOP;
    UPDATE fsmkit.leases SET token = w.token, until = clock_timestamp() + w.term, term = w.term, channel = w.channel,
        waiting = (SELECT count(*) FROM fsmkit.waiters WHERE key = p_key) WHERE key = p_key;
    SELECT concat_ws(' ', w.token, p_key, r.commits[1], coalesce(encode(r.blob, 'base64'), '-'),
            (SELECT string_agg(encode(e, 'base64'), ' ' ORDER BY n) FROM unnest(r.receipts) WITH ORDINALITY x(e, n)))
        INTO payload FROM fsmkit.rows r WHERE r.key = p_key;
    payload := coalesce(payload, concat_ws(' ', w.token, p_key, 0, '-'));
    PERFORM pg_notify(w.channel, CASE WHEN octet_length(payload) > 7900 THEN concat_ws(' ', w.token, p_key) ELSE payload END);
END $$;

-- What the advisory lock of a process is known by.
CREATE OR REPLACE FUNCTION fsmkit.lock_of(p_channel text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT hashtextextended('fsmkit worker ' || p_channel, 0)
$$;

-- Notes that a process lives. The connection that listens calls it too, and has the lock as long as it lasts.
CREATE OR REPLACE FUNCTION fsmkit.beat(p_channel text, p_claimer bigint, p_listens boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    IF p_listens THEN
        PERFORM pg_advisory_lock(fsmkit.lock_of(p_channel));
    END IF;
    INSERT INTO fsmkit.workers VALUES (p_channel, p_claimer, clock_timestamp())
        ON CONFLICT (channel) DO UPDATE SET beat = clock_timestamp(), died = NULL;
END $$;

-- How long nothing is heard of a process before it is taken for dead; a lost connection is back before.
CREATE OR REPLACE FUNCTION fsmkit.silence() RETURNS interval LANGUAGE sql IMMUTABLE AS $$ SELECT interval '1.5 s' $$;

-- Looks for processes that have died: they have no lock, and have not said for so long that they live. What they
-- had is free, and their places in line are given up. It locks leases of many keys, so whoever has one locked
-- already must not call it; and one at a time is enough. -> the claimers that died in the last minute, and
-- whether nothing is heard of some other.
DROP FUNCTION IF EXISTS fsmkit.look();
CREATE FUNCTION fsmkit.look(OUT dead bigint[], OUT suspects boolean) LANGUAGE plpgsql AS $$
DECLARE
    w record;
BEGIN
    IF pg_try_advisory_xact_lock(hashtextextended('fsmkit look', 0)) THEN
        FOR w IN
            WITH locks AS MATERIALIZED (
                SELECT (x.classid::bigint << 32) | x.objid::bigint AS id FROM pg_locks x
                    WHERE x.locktype = 'advisory' AND x.objsubid = 1
                    AND x.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            )
            SELECT x.*, EXISTS (SELECT FROM locks WHERE id = fsmkit.lock_of(x.channel)) AS listens
                FROM fsmkit.workers x WHERE x.died IS NULL
        LOOP
            CONTINUE WHEN w.listens AND w.missed IS NULL;
            IF w.listens OR w.missed IS NULL OR w.beat > w.missed THEN
                UPDATE fsmkit.workers x SET missed = CASE WHEN NOT w.listens THEN clock_timestamp() END
                    WHERE x.channel = w.channel AND x.missed IS NOT DISTINCT FROM w.missed;
                CONTINUE;
            END IF;
            CONTINUE WHEN w.missed > clock_timestamp() - fsmkit.silence();
            UPDATE fsmkit.workers x SET died = clock_timestamp() WHERE x.channel = w.channel AND x.beat = w.beat;
            IF FOUND THEN
                PERFORM fsmkit.bury(w.channel, w.claimer);
            END IF;
        END LOOP;
        DELETE FROM fsmkit.workers x WHERE x.died < clock_timestamp() - interval '1 min';
    END IF;
    SELECT coalesce(array_agg(x.claimer) FILTER (WHERE x.died IS NOT NULL), '{}'),
            coalesce(bool_or(x.died IS NULL AND x.missed IS NOT NULL), false)
        INTO dead, suspects FROM fsmkit.workers x;
END $$;

-- Frees what a dead process had: leases and places in line, claims on outboxes, and what it has taken to look
-- at and not looked at. A claim lasts half a minute from the last sign of life, or from the end of what its chat
-- has to wait; that stays.
CREATE OR REPLACE FUNCTION fsmkit.bury(p_channel text, p_claimer bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    l record;
BEGIN
    FOR l IN SELECT x.key, x.channel FROM fsmkit.leases x WHERE x.channel = p_channel
        OR x.key IN (SELECT y.key FROM fsmkit.waiters y WHERE y.channel = p_channel) ORDER BY x.key FOR UPDATE
    LOOP
        DELETE FROM fsmkit.waiters x WHERE x.key = l.key AND x.channel = p_channel;
        UPDATE fsmkit.leases x SET waiting = (SELECT count(*) FROM fsmkit.waiters y WHERE y.key = l.key)
            WHERE x.key = l.key;
        IF l.channel = p_channel THEN
            PERFORM fsmkit.hand_over(l.key);
        END IF;
    END LOOP;
    UPDATE fsmkit.rows x SET claimer = NULL,
        claim = greatest(clock_timestamp(), least(x.claim, clock_timestamp() + x.term) - interval '30 s'),
        stalled = greatest(clock_timestamp(), least(x.claim, clock_timestamp() + x.term) - interval '30 s')
        WHERE x.stalled IS NOT NULL AND x.claimer = p_claimer AND x.claim > clock_timestamp();
    UPDATE fsmkit.rows x SET taker = NULL, filed = least(x.filed, x.wake), stalled = least(x.stalled, x.claim)
        WHERE x.taker = p_claimer;
END $$;

-- Ends the life of a process that closes its store: nobody has to find out.
CREATE OR REPLACE FUNCTION fsmkit.leave(p_channel text, p_claimer bigint) RETURNS void LANGUAGE sql AS $$
    SELECT fsmkit.bury(p_channel, p_claimer);
    DELETE FROM fsmkit.workers WHERE channel = p_channel;
$$;

-- Takes a lease and reads the row, or takes a place in line; asked again, the place is the same. `wait` is
-- null if the lease is there, else the seconds until it ends by itself.
CREATE OR REPLACE FUNCTION fsmkit.acquire(
    p_key text, p_token bigint, p_channel text, p_term interval,
    OUT wait float8, OUT version bigint, OUT blob bytea, OUT receipts bytea[]
) LANGUAGE plpgsql AS $$
DECLARE
    l fsmkit.leases;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);  -- nothing here has to outlive a crash
    INSERT INTO fsmkit.leases AS x (key, token, until, channel, term)
        VALUES (p_key, p_token, clock_timestamp() + p_term, p_channel, p_term)
        ON CONFLICT (key) DO UPDATE
        SET token = excluded.token, until = clock_timestamp() + p_term, channel = p_channel, term = p_term
        WHERE x.token = excluded.token OR (x.waiting = 0 AND (x.token IS NULL OR x.until < clock_timestamp()));
    IF NOT FOUND THEN
        SELECT * INTO l FROM fsmkit.leases x WHERE x.key = p_key FOR UPDATE;
        IF l.until > clock_timestamp() + l.term THEN  -- the clock was set back
            UPDATE fsmkit.leases x SET until = clock_timestamp() + x.term WHERE x.key = p_key RETURNING * INTO l;
        END IF;
        UPDATE fsmkit.waiters x SET seen = clock_timestamp() WHERE x.key = p_key AND x.token = p_token;
        IF NOT FOUND THEN
            INSERT INTO fsmkit.waiters VALUES (p_key, l.tickets + 1, p_token, p_channel, p_term, clock_timestamp());
            UPDATE fsmkit.leases x SET tickets = x.tickets + 1, waiting = x.waiting + 1 WHERE x.key = p_key;
        END IF;
        IF l.token IS NULL OR l.until < clock_timestamp() THEN
            PERFORM fsmkit.hand_over(p_key);
            SELECT * INTO l FROM fsmkit.leases x WHERE x.key = p_key;
        END IF;
        IF l.token IS DISTINCT FROM p_token THEN
            wait := greatest(0, extract(epoch FROM l.until - clock_timestamp()));
            RETURN;
        END IF;
    END IF;
    SELECT r.commits[1], r.blob, r.receipts INTO version, blob, receipts FROM fsmkit.rows r WHERE r.key = p_key;
END $$;

-- The same for a turn that is of use only where a conversation is stored: if there is none, and nobody has or
-- awaits the turn, the row is read and no lease taken. One query sees both as they are at one moment.
CREATE OR REPLACE FUNCTION fsmkit.approach(
    p_key text, p_token bigint, p_channel text, p_term interval,
    OUT wait float8, OUT version bigint, OUT blob bytea, OUT receipts bytea[], OUT idle boolean
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT r.commits[1], r.blob, r.receipts, coalesce(r.flows = '{}', true) AND NOT EXISTS (
            SELECT FROM fsmkit.leases l WHERE l.key = p_key AND (l.waiting > 0
            OR (l.token IS NOT NULL AND l.until >= clock_timestamp())))
        INTO version, blob, receipts, idle
        FROM (SELECT) one LEFT JOIN fsmkit.rows r ON r.key = p_key;
    IF NOT idle THEN
        SELECT a.wait, a.version, a.blob, a.receipts INTO wait, version, blob, receipts
            FROM fsmkit.acquire(p_key, p_token, p_channel, p_term) a;
    END IF;
END $$;

-- Frees a lease, or gives up a place in line.
CREATE OR REPLACE FUNCTION fsmkit.release(p_key text, p_token bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    l fsmkit.leases;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO l FROM fsmkit.leases WHERE key = p_key FOR UPDATE;
    IF l.token = p_token AND l.waiting = 0 THEN
        UPDATE fsmkit.leases SET token = NULL, until = clock_timestamp() WHERE key = p_key;
    ELSIF l.token = p_token THEN
        PERFORM fsmkit.hand_over(p_key);
    ELSIF l.waiting > 0 THEN
        DELETE FROM fsmkit.waiters WHERE key = p_key AND token = p_token;
        UPDATE fsmkit.leases SET waiting = (SELECT count(*) FROM fsmkit.waiters WHERE key = p_key) WHERE key = p_key;
    END IF;
END $$;

-- Prolongs leases that are still held; in the order of their keys, so that no two callers lock each other out.
CREATE OR REPLACE FUNCTION fsmkit.renew(p_keys text[], p_tokens bigint[], p_term interval) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM 1 FROM fsmkit.leases WHERE key = ANY (p_keys) AND token = ANY (p_tokens) ORDER BY key FOR UPDATE;
    UPDATE fsmkit.leases SET until = clock_timestamp() + p_term, term = p_term
        WHERE key = ANY (p_keys) AND token = ANY (p_tokens) AND until > clock_timestamp();
END $$;

-- Drops leases and places in line that nobody has used for ten minutes.
CREATE OR REPLACE FUNCTION fsmkit.tidy() RETURNS void LANGUAGE sql AS $$
    DELETE FROM fsmkit.leases WHERE until < clock_timestamp() - interval '10 min';
    DELETE FROM fsmkit.waiters WHERE seen < clock_timestamp() - interval '10 min';
$$;

-- Writes a row, if the lease holds (a null token needs none) and the version is the expected one (0: no row);
-- frees the lease, unless it is to be kept for `p_keep`.
CREATE OR REPLACE FUNCTION fsmkit.commit(
    p_key text, p_token bigint, p_version bigint, p_commit bigint, p_blob bytea, p_wake float8, p_flows text[],
    p_states text[], p_deadlines float8[], p_outbox bytea[], p_folded int, p_claimer bigint, p_claim interval, p_keep interval,
    OUT written boolean, OUT entry bytea, OUT version bigint
) LANGUAGE plpgsql AS $$
DECLARE
    l fsmkit.leases;
    r record;
    claims boolean;
    ends timestamptz := clock_timestamp() + p_claim;
BEGIN
    IF p_token IS NOT NULL THEN
        SELECT * INTO l FROM fsmkit.leases x WHERE x.key = p_key FOR UPDATE;
    END IF;
    SELECT x.commits, x.claimed, x.claim, x.outbox || p_outbox AS outbox
        INTO r FROM fsmkit.rows x WHERE x.key = p_key FOR UPDATE;
    written := p_commit = ANY (r.commits);
    IF written THEN  -- a repetition: the first answer was lost
        entry := CASE WHEN r.claimed = p_commit THEN r.outbox[1] END;
        version := p_commit;
        RETURN;
    END IF;
    written := coalesce(r.commits[1], 0) = p_version
        AND (p_token IS NULL OR (coalesce(l.token = p_token, false) AND l.until > clock_timestamp()));
    IF NOT written THEN
        RETURN;
    END IF;
    r.outbox := coalesce(r.outbox, p_outbox);
    version := p_commit;
    claims := r.outbox <> '{}' AND coalesce(r.claim < clock_timestamp(), true);
    IF p_blob IS NULL AND r.outbox = '{}' THEN
        DELETE FROM fsmkit.rows WHERE key = p_key;
        version := 0;
    ELSIF r.commits IS NULL THEN
        INSERT INTO fsmkit.rows (key, commits, blob, wake, filed, flows, states, deadlines, outbox,
                claim, claimer, claimed, stalled, term)
            VALUES (p_key, ARRAY[p_commit], p_blob, p_wake, p_wake, p_flows, p_states, p_deadlines, p_outbox,
                CASE WHEN claims THEN ends END, p_claimer, CASE WHEN claims THEN p_commit END,
                CASE WHEN claims THEN ends END, p_claim)
            ON CONFLICT (key) DO NOTHING;
        written := FOUND;
        IF NOT written THEN  -- one that needs no lease was faster
            RETURN;
        END IF;
    ELSE
        UPDATE fsmkit.rows x SET
            commits = (p_commit || x.commits)[1:8], blob = p_blob, wake = p_wake, filed = least(x.filed, p_wake),
            flows = p_flows, states = p_states, deadlines = p_deadlines, outbox = r.outbox,
            receipts = x.receipts[p_folded + 1:],
            claim = CASE WHEN claims THEN ends ELSE x.claim END,
            claimer = CASE WHEN claims THEN p_claimer ELSE x.claimer END,
            term = CASE WHEN claims THEN p_claim ELSE x.term END,
            claimed = CASE WHEN claims THEN p_commit ELSE x.claimed END,
            stalled = CASE WHEN claims THEN least(x.stalled, ends) ELSE x.stalled END
            WHERE x.key = p_key;
    END IF;
    entry := CASE WHEN claims THEN r.outbox[1] END;
    IF p_keep IS NOT NULL THEN
        UPDATE fsmkit.leases SET until = clock_timestamp() + p_keep, term = p_keep WHERE key = p_key AND token = p_token;
    ELSIF l.waiting = 0 THEN
        UPDATE fsmkit.leases SET token = NULL, until = clock_timestamp() WHERE key = p_key;
    ELSIF p_token IS NOT NULL THEN
        PERFORM fsmkit.hand_over(p_key);
    END IF;
END $$;

-- Strikes off the first entry of an outbox, and gives the next one; nothing, if somebody else delivers it now.
-- It reaches the disk with the next commit: a crash of the server before that repeats the message.
CREATE OR REPLACE FUNCTION fsmkit.strike(
    p_key text, p_entry bytea, p_receipt bytea, p_claimer bigint, p_claim interval, OUT entry bytea
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE fsmkit.rows SET outbox = outbox[2:],
        receipts = CASE WHEN p_receipt IS NULL THEN receipts ELSE array_append(receipts, p_receipt) END,
        claim = CASE WHEN cardinality(outbox) > 1 THEN clock_timestamp() + p_claim END, term = p_claim,
        -- Receipts that nobody may ever ask for again are due.
        wake = CASE WHEN blob IS NULL AND cardinality(outbox) = 1 THEN 0 ELSE wake END,
        filed = CASE WHEN blob IS NULL AND cardinality(outbox) = 1 THEN 0 ELSE filed END
        WHERE key = p_key AND outbox[1] = p_entry AND claimer = p_claimer RETURNING outbox[1] INTO entry;
    IF FOUND AND entry IS NULL THEN
        DELETE FROM fsmkit.rows WHERE key = p_key AND blob IS NULL AND outbox = '{}' AND receipts = '{}';
    END IF;
END $$;

-- Takes what is due: it is due again after `p_push`, should the taker do nothing about it, and before that if
-- the taker dies. Rows whose time has moved meanwhile are filed anew.
CREATE OR REPLACE FUNCTION fsmkit.due(
    p_bot text, p_flows text[], p_now float8, p_limit int, p_push interval, p_taker bigint
) RETURNS TABLE (key text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM fsmkit.look();
    UPDATE fsmkit.rows x SET claim = clock_timestamp() + x.term, stalled = least(x.stalled, clock_timestamp() + x.term)
        WHERE x.key IN (SELECT y.key FROM fsmkit.rows y WHERE y.bot = p_bot AND y.stalled IS NOT NULL
        AND y.claim > clock_timestamp() + y.term LIMIT 1000 FOR UPDATE SKIP LOCKED);  -- the clock was set back
    UPDATE fsmkit.rows x SET filed = x.wake WHERE x.key IN (
        SELECT y.key FROM fsmkit.rows y WHERE y.bot = p_bot AND y.filed <= p_now AND coalesce(y.wake > p_now, true)
        LIMIT 1000 FOR UPDATE SKIP LOCKED);
    UPDATE fsmkit.rows x SET stalled = x.claim WHERE x.key IN (
        SELECT y.key FROM fsmkit.rows y WHERE y.bot = p_bot AND y.stalled <= clock_timestamp()
        AND coalesce(y.claim > clock_timestamp(), true) LIMIT 1000 FOR UPDATE SKIP LOCKED);
    RETURN QUERY WITH found AS MATERIALIZED (
        SELECT y.key, y.wake FROM fsmkit.rows y
            WHERE y.bot = p_bot AND (y.flows = '{}' OR y.flows && p_flows) AND ((y.filed <= p_now AND y.wake <= p_now)
                OR (y.stalled <= clock_timestamp() AND y.claim <= clock_timestamp()))
            ORDER BY y.wake NULLS LAST LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE fsmkit.rows x SET taker = p_taker,
            filed = CASE WHEN x.filed <= p_now THEN p_now + extract(epoch FROM p_push) ELSE x.filed END,
            stalled = CASE WHEN x.stalled <= clock_timestamp() THEN clock_timestamp() + p_push ELSE x.stalled END
            FROM found WHERE x.key = found.key RETURNING x.key, found.wake
    ) SELECT taken.key FROM taken ORDER BY taken.wake NULLS LAST;
END $$;

-- Removes keys and ends their leases; the next in line go on with no row.
CREATE OR REPLACE FUNCTION fsmkit.forget(p_key text, p_who text, p_bot text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    l record;
    removed bigint := 0;
    gone bigint;
BEGIN
    FOR l IN SELECT x.key FROM fsmkit.leases x WHERE x.key = p_key OR (p_who IN (split_part(x.key, ':', 1),
            split_part(x.key, ':', 2)) AND coalesce(split_part(x.key, ':', 5) = p_bot, true)) ORDER BY x.key FOR UPDATE
    LOOP
        DELETE FROM fsmkit.rows WHERE key = l.key;
        GET DIAGNOSTICS gone = ROW_COUNT;
        removed := removed + gone;
        PERFORM fsmkit.hand_over(l.key);
        DELETE FROM fsmkit.leases WHERE key = l.key AND token IS NULL;
    END LOOP;
    DELETE FROM fsmkit.rows WHERE key = p_key
        OR ((person = p_who OR chat = p_who) AND coalesce(bot = p_bot, true));
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM fsmkit.inbox x WHERE x.body IS NOT NULL
        AND fsmkit.concerns(x.bot, x.chat::text, x.person::text, p_key, p_who, p_bot);
    DELETE FROM fsmkit.dead_letters x
        WHERE fsmkit.concerns(x.bot, x.chat::text, x.person::text, p_key, p_who, p_bot);
    RETURN removed + gone;
END $$;

-- Whether an update is one of a key's, or of a person's: as `forget` takes them.
CREATE OR REPLACE FUNCTION fsmkit.concerns(
    p_owner text, p_chat text, p_person text, p_key text, p_who text, p_bot text
) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_key IS NULL THEN p_who IN (p_chat, p_person) AND coalesce(p_owner = p_bot, true)
        WHEN split_part(p_key, ':', 5) <> p_owner THEN false
        WHEN split_part(p_key, ':', 1) = split_part(p_key, ':', 2) THEN split_part(p_key, ':', 1) IN (p_chat, p_person)
        ELSE (split_part(p_key, ':', 1), split_part(p_key, ':', 2)) = (p_chat, p_person) END
$$;

-- Appends what is new, in its order, and gives the numbers; one row of nulls where too much waits already.
CREATE OR REPLACE FUNCTION fsmkit.append_updates(
    p_bot text, p_ids bigint[], p_lines bigint[], p_chats bigint[], p_persons bigint[], p_received float8[],
    p_bodies bytea[], p_most int, p_term interval
) RETURNS TABLE (id bigint, number bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('fsmkit.inbox ' || p_bot));
    DELETE FROM fsmkit.inbox x WHERE x.struck < clock_timestamp() - p_term;
    IF (SELECT count(*) FROM fsmkit.inbox x WHERE x.bot = p_bot AND x.body IS NOT NULL) >= p_most THEN
        RETURN QUERY SELECT NULL::bigint, NULL::bigint;
        RETURN;
    END IF;
    FOR n IN 1 .. coalesce(cardinality(p_ids), 0) LOOP
        CONTINUE WHEN EXISTS (SELECT FROM fsmkit.dead_letters d WHERE d.bot = p_bot AND d.id = p_ids[n]);
        RETURN QUERY INSERT INTO fsmkit.inbox AS x (bot, id, line, chat, person, received, body)
            VALUES (p_bot, p_ids[n], p_lines[n], p_chats[n], p_persons[n], p_received[n], p_bodies[n])
            ON CONFLICT ON CONSTRAINT inbox_pkey DO NOTHING RETURNING x.id, x.number;
    END LOOP;
END $$;

-- Notes that updates were handled; of a struck one nothing is left but its number.
CREATE OR REPLACE FUNCTION fsmkit.strike_updates(p_bot text, p_ids bigint[]) RETURNS void LANGUAGE sql AS $$
    UPDATE fsmkit.inbox SET struck = clock_timestamp(), body = NULL, line = 0, chat = 0, person = 0
        WHERE bot = p_bot AND id = ANY (p_ids) AND body IS NOT NULL;
$$;

-- A commit that strikes updates too, if it is written.
CREATE OR REPLACE FUNCTION fsmkit.commit_and_strike(
    p_key text, p_token bigint, p_version bigint, p_commit bigint, p_blob bytea, p_wake float8, p_flows text[],
    p_states text[], p_deadlines float8[], p_outbox bytea[], p_folded int, p_claimer bigint, p_claim interval, p_keep interval,
    p_struck bigint[], OUT written boolean, OUT entry bytea, OUT version bigint
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT c.written, c.entry, c.version INTO written, entry, version
        FROM fsmkit.commit(p_key, p_token, p_version, p_commit, p_blob, p_wake, p_flows, p_states, p_deadlines,
            p_outbox, p_folded, p_claimer, p_claim, p_keep) c;
    IF written THEN
        PERFORM fsmkit.strike_updates(split_part(p_key, ':', 5), p_struck);
    END IF;
END $$;

-- Keeps a dead letter, and strikes its update.
CREATE OR REPLACE FUNCTION fsmkit.set_aside(
    p_bot text, p_name text, p_id bigint, p_chat bigint, p_person bigint, p_reason text, p_body bytea, p_term interval
) RETURNS void LANGUAGE sql AS $$
    DELETE FROM fsmkit.dead_letters WHERE since <= clock_timestamp() - p_term;
    INSERT INTO fsmkit.dead_letters VALUES (p_bot, p_name, p_id, p_chat, p_person, p_reason, clock_timestamp(), p_body)
        ON CONFLICT (bot, name) DO UPDATE SET reason = p_reason, since = clock_timestamp(), body = p_body;
    SELECT fsmkit.strike_updates(p_bot, ARRAY[p_id]);
$$;

-- Puts a dead letter at the end of the inbox; whether there was one that has an id.
CREATE OR REPLACE FUNCTION fsmkit.requeue(p_bot text, p_name text, p_received float8) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    d fsmkit.dead_letters;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('fsmkit.inbox ' || p_bot));
    DELETE FROM fsmkit.dead_letters WHERE bot = p_bot AND name = p_name AND id IS NOT NULL RETURNING * INTO d;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM fsmkit.inbox WHERE bot = p_bot AND id = d.id;
    INSERT INTO fsmkit.inbox (bot, id, line, chat, person, received, body)
        VALUES (p_bot, d.id, CASE d.chat WHEN 0 THEN d.person ELSE d.chat END, d.chat, d.person, p_received, d.body);
    RETURN true;
END $$;
