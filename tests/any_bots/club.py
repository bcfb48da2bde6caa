"""Several conversations, a gate before, a logger behind in a later group, an admin by id, globals."""

import enum

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.ext import (
    Application,
    ApplicationHandlerStop,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    ConversationHandler,
    MessageHandler,
    TypeHandler,
    filters,
)

ADMIN_ID = 5001
BANNED = {6001}


class Reg(enum.IntEnum):
    NAME = 0
    PHONE = 1


class Feedback(enum.Enum):
    TEXT = "text"
    RATE = "rate"


NAME_FILTER = filters.TEXT & ~filters.COMMAND & filters.UpdateType.MESSAGE


async def gate(update: Update, context: ContextTypes.DEFAULT_TYPE):
    if update.effective_user and update.effective_user.id in BANNED:
        raise ApplicationHandlerStop


async def help_(update, context):
    await update.effective_message.reply_text("/register, /feedback, /broadcast")


async def register(update, context):
    await update.effective_message.reply_text("Your name?")
    return Reg.NAME


async def name(update, context):
    context.user_data["name"] = update.effective_message.text
    await update.effective_message.reply_text("Your phone?")
    return Reg.PHONE


async def phone(update, context):
    context.user_data["phone"] = update.effective_message.text
    await context.bot.send_message(ADMIN_ID, f"New: {context.user_data['name']} {context.user_data['phone']}")
    await update.effective_message.reply_text("Registered!")
    return ConversationHandler.END


async def bad_phone(update, context):
    await update.effective_message.reply_text("Digits, please.")


async def feedback(update, context):
    await update.effective_message.reply_text("What do you think?")
    return Feedback.TEXT


async def got_feedback(update, context):
    context.user_data["feedback"] = update.effective_message.text
    buttons = [[InlineKeyboardButton(str(n), callback_data=f"rate:{n}") for n in range(1, 6)]]
    await update.effective_message.reply_text("Rate us", reply_markup=InlineKeyboardMarkup(buttons))
    return Feedback.RATE


async def rate(update, context):
    query = update.callback_query
    await query.answer("Thanks!")
    await query.edit_message_text(f"You gave {query.data.split(':')[1]}")
    raise ApplicationHandlerStop(ConversationHandler.END)


async def old_rate(update, context):
    await update.callback_query.answer("Too late.")


async def cancel(update, context):
    await update.effective_message.reply_text("Cancelled.")
    return ConversationHandler.END


async def timeout(update, context):
    await update.effective_message.reply_text("You took too long.")


async def broadcast(update, context):
    await update.effective_message.reply_text("To whom?")
    return "WHOM"


async def whom(update, context):
    await update.effective_message.reply_text(f"Sent to {update.effective_message.text}.")
    return ConversationHandler.END


async def log(update, context):
    context.bot_data["seen"] = context.bot_data.get("seen", 0) + 1


async def count(update, context):
    await update.effective_message.reply_text(f"{context.bot_data.get('seen', 0)} updates")


async def echo(update, context):
    await update.effective_message.reply_text("I did not get that. /help")


def build():
    app = Application.builder().token("T").build()
    app.add_handler(TypeHandler(Update, gate), group=-1)
    app.add_handler(CommandHandler("help", help_))
    app.add_handler(
        ConversationHandler(
            [CommandHandler("register", register)],
            {
                Reg.NAME: [MessageHandler(NAME_FILTER, name)],
                Reg.PHONE: [
                    MessageHandler(filters.Regex(r"^\+?\d{5,12}$") & filters.UpdateType.MESSAGE, phone),
                    MessageHandler(NAME_FILTER, bad_phone),
                ],
                ConversationHandler.TIMEOUT: [MessageHandler(filters.ALL, timeout)],
            },
            [CommandHandler("cancel", cancel)],
            conversation_timeout=120,
        )
    )
    app.add_handler(
        ConversationHandler(
            [CommandHandler("feedback", feedback)],
            {
                Feedback.TEXT: [MessageHandler(NAME_FILTER, got_feedback)],
                Feedback.RATE: [CallbackQueryHandler(rate, pattern=r"^rate:\d$")],
            },
            [CommandHandler("cancel", cancel)],
            allow_reentry=True,
        )
    )
    app.add_handler(
        ConversationHandler(
            [CommandHandler("broadcast", broadcast, filters.User(ADMIN_ID))],
            {"WHOM": [MessageHandler(NAME_FILTER, whom)]},
            [CommandHandler("cancel", cancel)],
            per_chat=False,
        )
    )
    app.add_handler(CommandHandler("count", count))
    app.add_handler(CallbackQueryHandler(old_rate))
    app.add_handler(MessageHandler(filters.ChatType.PRIVATE & NAME_FILTER, echo))
    app.add_handler(TypeHandler(Update, log), group=5)
    return app


if __name__ == "__main__":
    build().run_polling()
