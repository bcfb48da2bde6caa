"""An admin known by id, requests that go from one person to another, names in HTML, an error handler."""

import html
import os

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import ParseMode
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ConversationHandler,
    MessageHandler,
    filters,
)

ADMIN_ID = 424242
TOPIC, QUESTION = "TOPIC", "QUESTION"


async def start(update, context):
    rows = [[InlineKeyboardButton(name, callback_data=f"topic_{name}")] for name in ("Bill", "Delivery")]
    await update.effective_message.reply_text("What is it about?", reply_markup=InlineKeyboardMarkup(rows))
    return TOPIC


async def topic(update, context):
    query = update.callback_query
    await query.answer()
    context.user_data["topic"] = query.data.removeprefix("topic_")
    await query.edit_message_text("What would you like to know?")
    return QUESTION


async def question(update, context):
    user = update.effective_user
    text = html.escape(update.effective_message.text[:3000])
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("Seen", callback_data=f"seen_{user.id}")]])
    await context.bot.send_message(
        ADMIN_ID,
        f"<b>{context.user_data['topic']}</b> from {html.escape(user.full_name)} ({user.id}): {text}",
        parse_mode=ParseMode.HTML,
        reply_markup=keyboard,
    )
    await update.effective_message.reply_text("Somebody will look at it.")
    return ConversationHandler.END


async def seen(update, context):
    await update.callback_query.answer()
    await update.callback_query.edit_message_reply_markup(None)
    await context.bot.send_message(
        int(update.callback_query.data.removeprefix("seen_")), "We are looking at it."
    )


async def reply(update, context):
    if len(context.args) < 2 or not (context.args[0].isascii() and context.args[0].isdigit()):
        await update.effective_message.reply_text("/reply ID TEXT")
        return
    try:
        await context.bot.send_message(int(context.args[0]), " ".join(context.args[1:]))
    except Exception:
        await update.effective_message.reply_text("Nobody has that id.")
    else:
        await update.effective_message.reply_text("Sent.")


async def cancel(update, context):
    await update.effective_message.reply_text("Fine.")
    return ConversationHandler.END


async def failed(update, context):
    await context.bot.send_message(ADMIN_ID, f"Something went wrong: {context.error}")


def build():
    application = Application.builder().token(os.getenv("BOT_TOKEN")).build()
    application.add_handler(CommandHandler("reply", reply, filters.User(ADMIN_ID)))
    application.add_handler(
        ConversationHandler(
            [CommandHandler("start", start)],
            {
                TOPIC: [CallbackQueryHandler(topic, pattern="^topic_")],
                QUESTION: [MessageHandler(filters.TEXT & ~filters.COMMAND, question)],
            },
            [CommandHandler("cancel", cancel)],
            allow_reentry=True,
        )
    )
    application.add_handler(CallbackQueryHandler(seen, pattern="^seen_"))
    application.add_error_handler(failed)
    return application


if __name__ == "__main__":
    build().run_polling()
