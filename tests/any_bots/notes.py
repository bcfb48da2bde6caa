"""Several conversations in one bot, which keeps what it knows in a database beside it."""

import sqlite3
from pathlib import Path

from telegram.ext import Application, CommandHandler, ConversationHandler, MessageHandler, filters

TITLE, TEXT = "title", "text"
WHICH = "which"
FILE = Path(__file__).parent / "notes.db"

database = sqlite3.connect(FILE)
database.execute("CREATE TABLE IF NOT EXISTS notes (owner INTEGER, title TEXT, text TEXT)")


async def add(update, context):
    await update.effective_message.reply_text("What is the title?")
    return TITLE


async def title(update, context):
    context.user_data["title"] = update.effective_message.text
    await update.effective_message.reply_text("And the text?")
    return TEXT


async def text(update, context):
    note = (update.effective_user.id, context.user_data["title"], update.effective_message.text)
    with database:
        database.execute("INSERT INTO notes VALUES (?, ?, ?)", note)
    await update.effective_message.reply_text("Kept. /list shows all of them.")
    return ConversationHandler.END


async def delete(update, context):
    await update.effective_message.reply_text("Which one?")
    return WHICH


async def which(update, context):
    owner, given = update.effective_user.id, update.effective_message.text
    with database:
        gone = database.execute("DELETE FROM notes WHERE owner = ? AND title = ?", (owner, given)).rowcount
    await update.effective_message.reply_text("Gone." if gone else "There is none of that title.")
    return ConversationHandler.END


async def show(update, context):
    found = database.execute(
        "SELECT title FROM notes WHERE owner = ?", (update.effective_user.id,)
    ).fetchall()
    await update.effective_message.reply_text("\n".join(row[0] for row in found)[:4000] or "You have none.")


async def cancel(update, context):
    await update.effective_message.reply_text("All right.")
    return ConversationHandler.END


async def first(update, context):
    await update.effective_message.reply_text("First finish this, or /cancel it.")


adding = ConversationHandler(
    [CommandHandler("add", add)],
    {
        TITLE: [MessageHandler(filters.TEXT & ~filters.COMMAND, title)],
        TEXT: [MessageHandler(filters.TEXT & ~filters.COMMAND, text)],
    },
    [CommandHandler("cancel", cancel), CommandHandler(["add", "delete"], first)],
)
deleting = ConversationHandler(
    [CommandHandler("delete", delete)],
    {WHICH: [MessageHandler(filters.TEXT & ~filters.COMMAND, which)]},
    [CommandHandler("cancel", cancel), CommandHandler("delete", first)],
)


def main():
    application = Application.builder().token("TOKEN").build()
    application.add_handlers([adding, deleting, CommandHandler("list", show)])
    application.run_webhook(listen="127.0.0.1", port=8443, webhook_url="https://notes.example/hook")


try:
    main()
finally:
    database.close()
