"""`fsmkit import-persistence`: conversations of PTB's `PicklePersistence` become those of a store.

The file is read in a process of its own (`pickled`, started by `reading`); what it says is put together with
the flows of a file in `taking`.
"""
