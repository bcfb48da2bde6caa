"""`fsmkit play`: a bot in the browser, beside its diagram, what it stores, and a time line to go back on.

`bots` and `programs` say what is played: flows of a file, or a program without any (which `child` runs in a
process of its own). `session` plays it, step by step, in a thread of its own; `steps` is the tree of that.
`recorder` notes why each step went as it did, `sight`, `views` and `offers` say what is to be seen, `export`
writes a conversation down as a test, `watch` looks whether a file has changed, and `server` brings all that
to the page in `assets`.
"""
