"""A bot on PTB's ConversationHandler, with the two mistakes that such bots have."""

from telegram.ext import CommandHandler, ConversationHandler, MessageHandler, filters

from fsmkit.telegram import from_conversation_handler

NAME, AGE = range(2)


async def start(update, context):
    await update.message.reply_text("Your name?")
    return NAME


async def name(update, context):
    context.user_data["name"] = update.message.text  # None for an edited message
    await update.message.reply_text("Your age?")
    return AGE


async def age(update, context):
    await update.message.reply_text(f"{context.user_data['name']} is {int(update.message.text)}.")
    return ConversationHandler.END


async def cancel(update, context):
    await update.effective_message.reply_text("Bye.")
    return ConversationHandler.END


conversation = ConversationHandler(
    [CommandHandler("start", start)],
    {
        NAME: [MessageHandler(filters.TEXT & ~filters.COMMAND, name)],
        AGE: [MessageHandler(filters.TEXT & ~filters.COMMAND & filters.UpdateType.MESSAGE, age)],
    },
    [CommandHandler("cancel", cancel, filters.UpdateType.MESSAGE)],
    name="oldstyle",
)
moved = from_conversation_handler(conversation)
