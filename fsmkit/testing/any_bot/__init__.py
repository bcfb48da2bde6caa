"""Tests a bot of python-telegram-bot that nobody has prepared for it: `fsmkit test bot.py` without a flow.
The parent (`fsmkit.cli.test_bot`) copies the bot's directory and starts `child` there, a process of its own
behind `walls`. There `program` runs the file as `python bot.py` does, once for each conversation, and hands
its application to a `BotDriver`; `search` chooses what people do, and `oracles` judge what comes of it.
"""
