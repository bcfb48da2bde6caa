"""The receiver: updates from Telegram, stored as raw bytes before they are confirmed. Its face is
`fsmkit.telegram.Receiver`.
"""
