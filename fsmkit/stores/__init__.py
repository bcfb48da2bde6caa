"""Where rows are kept: the protocol of stores, and opening one by its URL. Only names, and how a store works.

A store of a kind is in the package or module of its name: `fsmkit.stores.sqlite`, `fsmkit.stores.memory`,
... The protocol is `fsmkit.stores.protocol`; `fsmkit.testing.StoreContract` holds every store to it.

Theory of operation
===================

A store keeps bytes by key, and never reads them. For each key there is at most one *row* (all conversations
of that key), its *index* (what it is looked up by: flow, state, deadline), a *wake* time, an *outbox*
(messages that were committed and not yet delivered, in order), *receipts* (what came of those that were),
and who holds what: a lease on the row, a claim on the outbox. Row and outbox have two owners for they go at
two paces: a handler takes milliseconds, Telegram may ask to wait for a minute, and the next event must not
wait for that.

One step
--------

1. `lease(key)` waits for the turn with the row, first come, first served, and shows the row and the
   receipts. Only then the handler runs. One step at a time for a key is what makes a handler a plain
   function of its row.
2. The handler runs. Nothing is written meanwhile, so a step that fails, is cancelled or is killed leaves no
   trace.
3. `commit(change)` writes row, index, wake and the outbox's new entries, takes away the receipts that the
   row now holds (`folded`), and frees the lease: all of it or nothing. There is no moment in which the
   state has moved on and the reply is not yet recorded, which a kill could hit.
4. If nobody delivers the outbox, `commit` gives the caller the claim on it, by returning its first entry.
5. The caller sends that entry and calls `acknowledge`, which removes it, keeps its receipt for the next
   step, and returns the next entry, until there is none. The claim ends with the last one.

What a commit proves
--------------------

A lease is not a lock: its process may stand still, or be cut off from the server, while its time runs out
and others go on. So a commit proves two things in the same atomic operation that writes: the lease is still
held (its token is there, its time has not run out), and the row's *version* is the one that was read. Else
it raises `LeaseLost`, nothing is written, and the dispatcher runs the step again on the row as it is now.
The version alone would keep the row right; the lease keeps handlers from running in vain, in an order that
nobody saw. A version is never used twice, not even after the row was deleted: a row that went and came back
is another one.

A commit whose answer was lost on a network is repeated. Stores on a server give each commit a number and
remember the last ones with the row, so that the repetition finds that it was written, and is not taken for
a lost lease.

`snapshot(key)` is the same without a turn: a row, and a commit that proves the version only. Nobody waits
for it; of several who commit, the first wins (`isolation="optimistic"`).

Of a store in this process most turns are free, and nothing is ever waited for on the way to the row. Its
leases are `PromptLease`s: taken, committed and freed at once, without a coroutine, and awaited only where
somebody else has the turn. A store of which everything is awaited need not know of that.

`lease(key, wanted=False)` is for events that only a running conversation can want, most of what is said in
a group. Where nothing is stored and nobody has or awaits the turn, the lease is *idle*: no turn is taken
and nothing has to be freed. Where somebody has the turn it is waited for, since that step may begin the
conversation.

Leases and claims end
---------------------

Who holds a lease renews it every third of its time, however long the handler takes; what dies does not
renew, and after that time the turn goes on to the next. A claim lasts `CLAIM_SECONDS` from the last sign of
life (`commit`, `acknowledge`, `extend_claim`). The time is the server's, or the machine's where all
processes are on one: clocks of several machines differ by more than a lease may last. How long it was given
for is stored beside the time when it ends, since a clock that is set back must not make it more. Where death
can be known, nobody waits for the time to run out: SQLite's processes hold a lock of the operating system
(`fsmkit.stores.sqlite.owners`), those of Redis and PostgreSQL a connection that listens
(`fsmkit.stores.redis.liveness`, `postgres/functions.sql`). A store that can tell the engine so too
(`KnowsWorkers`) has the jobs of dead processes begun anew at once.

An outbox without a claim is delivered by the next step that commits, or by the sweeper. An entry may then
be sent a second time, if the first sender died between Telegram's answer and `acknowledge`: at least once,
never not at all. Who lost a claim learns it from `acknowledge`, which returns `None`, and stops: two
senders would mix up the order.

Wake and due
------------

A row says itself when the engine has to look at it next: `wake` is the earliest of its deadlines,
reminders, scheduled events and jobs, and moves with each commit. `due(...)` lists keys whose wake has come,
and those whose outbox nobody delivers. A key in that list is a hint and no right: the sweeper takes the
lease, reads the row, and does what is due by the engine's clock; several sweepers find the same key, and
one does it. Rows whose index names only flows that the caller does not know are left to who knows them, for
they cannot be read here.

The inbox
---------

An update of Telegram is stored in the bot's inbox (`fsmkit.stores.inbox`) before Telegram is told that it was
received, and the commit of the step that it causes strikes it (`Change.struck`) in the write that proves the
lease (in Redis and MongoDB, whose inbox is another document or shard, by a command right after it). Between
these two writes it waits, whatever dies; after the second it is never taken again, for its number is
remembered until Telegram has forgotten it. What cannot be read at all is set aside as a dead letter, so that
it holds up nobody.

Forgetting
----------

`forget` removes everything of a key or a person at once, and ends the leases on it: what a step that runs
meanwhile would commit is refused, so that nothing of the person comes back.
"""

from fsmkit.stores.protocol import CLAIM_SECONDS, Change, Index, Lease, Store, StoredRow
from fsmkit.stores.urls import open_store

__all__ = ["CLAIM_SECONDS", "Change", "Index", "Lease", "Store", "StoredRow", "open_store"]
