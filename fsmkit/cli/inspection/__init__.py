"""`fsmkit inspect`: what stands in a store, and repairing it by hand.

`commands` has the syntax, `live` finds the conversations, `listing` and `row` show them, `repair` writes.
"""
