"""A persistent conversation, kept by PicklePersistence."""

from telegram.ext import (
    Application,
    CommandHandler,
    ConversationHandler,
    MessageHandler,
    PicklePersistence,
    filters,
)

MOOD, WHY = range(2)
DRAFTS = {}


async def start(update, context):
    await update.effective_message.reply_text("How do you feel today?")
    return MOOD


async def mood(update, context):
    draft = context.user_data.setdefault("draft", {})
    draft["mood"] = update.effective_message.text
    await update.effective_message.reply_text("Why?")
    return WHY


async def why(update, context):
    draft = context.user_data["draft"]
    await update.effective_message.reply_text(f"{draft['mood'][:100]}, I see.")
    context.user_data.clear()
    return ConversationHandler.END


async def cancel(update, context):
    await update.effective_message.reply_text("Tomorrow, then.")
    return ConversationHandler.END


def main():
    persistence = PicklePersistence(filepath="diary.pickle", update_interval=1)
    application = Application.builder().token("TOKEN").persistence(persistence).build()
    texts = filters.TEXT & ~filters.COMMAND
    application.add_handler(
        ConversationHandler(
            [CommandHandler("start", start)],
            {MOOD: [MessageHandler(texts, mood)], WHY: [MessageHandler(texts, why)]},
            [CommandHandler("cancel", cancel)],
            name="diary",
            persistent=True,
        )
    )
    application.run_polling()


if __name__ == "__main__":
    main()
