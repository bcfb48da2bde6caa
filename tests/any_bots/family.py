"""Nested conversations with `map_to_parent`, states by characters, as PTB's nested example."""

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ConversationHandler,
    MessageHandler,
    filters,
)

MENU, ADDING = map(chr, range(2))
ASKING, SHOWING = map(chr, range(2, 4))
STOPPING = chr(4)
END = ConversationHandler.END


def buttons(**texts):
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(text, callback_data=data) for data, text in texts.items()]]
    )


async def start(update, context):
    text = "Add a member of your family, or leave."
    keyboard = buttons(add="Add", done="Leave")
    if update.callback_query:
        await update.callback_query.answer()
        await update.callback_query.edit_message_text(text, reply_markup=keyboard)
    else:
        await update.effective_message.reply_text(text, reply_markup=keyboard)
    return MENU


async def done(update, context):
    await update.callback_query.answer()
    await update.callback_query.edit_message_text("See you around!")
    return END


async def add(update, context):
    await update.callback_query.answer()
    await update.callback_query.edit_message_text("What is the name?")
    return ASKING


async def named(update, context):
    context.user_data["name"] = update.effective_message.text
    await update.effective_message.reply_text(
        f"{context.user_data['name']}: right?", reply_markup=buttons(keep="Yes", redo="No")
    )
    return SHOWING


async def redo(update, context):
    await update.callback_query.answer()
    await update.callback_query.edit_message_text("What is the name, then?")
    return ASKING


async def keep(update, context):
    context.user_data.setdefault("family", []).append(context.user_data.pop("name", "?"))
    await start(update, context)
    return END


async def busy(update, context):
    await update.callback_query.answer("First the new member, or /stop.")


async def stop_nested(update, context):
    await update.effective_message.reply_text("Okay, bye.")
    return STOPPING


async def stop(update, context):
    await update.effective_message.reply_text("Okay, bye.")
    return END


def main():
    adding = ConversationHandler(
        [CallbackQueryHandler(add, pattern="^add$")],
        {
            ASKING: [MessageHandler(filters.TEXT & ~filters.COMMAND, named)],
            SHOWING: [
                CallbackQueryHandler(keep, pattern="^keep$"),
                CallbackQueryHandler(redo, pattern="^redo$"),
            ],
        },
        [CommandHandler("stop", stop_nested), CallbackQueryHandler(busy)],
        map_to_parent={END: MENU, STOPPING: END},
    )
    application = Application.builder().token("TOKEN").build()
    application.add_handler(
        ConversationHandler(
            [CommandHandler("start", start)],
            {MENU: [adding, CallbackQueryHandler(done, pattern="^done$")]},
            [CommandHandler("stop", stop)],
        )
    )
    application.run_polling()


if __name__ == "__main__":
    main()
