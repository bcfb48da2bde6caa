"""The pure part of a step: a row, and what an event makes of it. No await, no clock, no Telegram.

Nothing here is public: flows are declared with `fsmkit.flow`, and run by `fsmkit.engine`.
"""
