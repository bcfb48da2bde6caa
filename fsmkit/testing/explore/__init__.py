"""The parallel phase: several people at once, under a schedule that is drawn.

The event loop is in `fsmkit.testing.schedules`; `overlap` carries acts out in it, `worlds` knows what would
have come of them one after the other, `search` draws them.
"""
