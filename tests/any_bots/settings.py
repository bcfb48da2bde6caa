"""A menu that other callbacks return to, a state that is a range, timeouts, HTML by default, a coroutine of its own."""

import asyncio
import html
from datetime import timedelta

from telegram import ReplyKeyboardMarkup
from telegram.constants import ParseMode
from telegram.ext import Application, CommandHandler, ConversationHandler, Defaults, MessageHandler, filters

MAIN = range(1)
SETTINGS = "settings"
LANGS = {"English": "en", "Deutsch": "de"}
TXT = filters.TEXT & ~filters.COMMAND


async def menu(update, context):
    await update.effective_message.reply_text(
        f"<b>Menu</b> ({html.escape(context.user_data.get('lang', 'en'))})",
        reply_markup=ReplyKeyboardMarkup([["Settings", "Profile"], ["Quit"]]),
    )
    return MAIN


async def settings(update, context):
    await update.effective_message.reply_text(
        "Language?", reply_markup=ReplyKeyboardMarkup([list(LANGS), ["Back"]])
    )
    return SETTINGS


async def lang(update, context):
    context.user_data["lang"] = LANGS[update.effective_message.text]
    return await menu(update, context)


async def back(update, context):
    return await menu(update, context)


async def profile(update, context):
    await update.effective_message.reply_text(f"You are {html.escape(update.effective_user.first_name)}.")
    return MAIN


async def quit_(update, context):
    await update.effective_message.reply_text("Bye.")
    return ConversationHandler.END


async def what(update, context):
    await update.effective_message.reply_text("Please use the buttons.")


async def gone(update, context):
    await update.effective_message.reply_text("Session expired.")


async def main():
    app = Application.builder().token("T").defaults(Defaults(parse_mode=ParseMode.HTML)).build()
    app.add_handler(
        ConversationHandler(
            entry_points=[CommandHandler(["start", "menu"], menu)],
            states={
                MAIN: [
                    MessageHandler(filters.Text(["Settings"]), settings),
                    MessageHandler(filters.Text(["Profile"]), profile),
                    MessageHandler(filters.Text(["Quit"]), quit_),
                ],
                SETTINGS: [
                    MessageHandler(filters.Text(list(LANGS)), lang),
                    MessageHandler(filters.Text(["Back"]), back),
                ],
                ConversationHandler.TIMEOUT: [MessageHandler(filters.ALL, gone)],
            },
            fallbacks=[CommandHandler(["start", "menu"], menu), MessageHandler(TXT, what)],
            conversation_timeout=timedelta(minutes=5),
        )
    )
    async with app:
        await app.start()
        await app.updater.start_polling()
        await asyncio.Event().wait()
        await app.updater.stop()
        await app.stop()


asyncio.run(main())
