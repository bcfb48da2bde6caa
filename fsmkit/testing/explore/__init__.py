"""The parallel phase: several people at once, under a schedule that is drawn.

The event loop is in `fsmkit.testing.harness.loop`; `fsmkit.testing.harness.overlap` carries actions out in
it; `linearizability` knows what would have come of them one after the other, `concurrent` draws them.
"""
