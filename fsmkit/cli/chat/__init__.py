"""`fsmkit chat`: a conversation in the terminal, with a real application whose requests end in memory.

`talk` reads lines, `lines` and `verbs` say what they mean, `session` is the bot and the person, `screen`
shows what the bot did.
"""
