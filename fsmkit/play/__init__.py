"""`fsmkit play`: a bot in the browser, beside its diagram, what it stores, and a time line to go back on.

`bots` says what is played, `session` plays it (a tree of steps, in a thread and event loops of its own),
`recorder` notes why each step went as it did, `views` and `offers` say what is to be seen, `export` writes
a conversation down as a test, and `server` brings all that to the page in `assets`.
"""
