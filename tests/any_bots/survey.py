"""States by `range`, functions, keyboards of texts: as PTB's first example is written."""

import logging
import os

from telegram import ReplyKeyboardMarkup, ReplyKeyboardRemove, Update
from telegram.ext import (
    Application,
    CommandHandler,
    ContextTypes,
    ConversationHandler,
    MessageHandler,
    filters,
)

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger(__name__)

GENDER, AGE, PHOTO, BIO = range(4)


async def start(update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
    keyboard = [["Boy", "Girl", "Other"]]
    await update.effective_message.reply_text(
        "Hi! Are you a boy or a girl?",
        reply_markup=ReplyKeyboardMarkup(keyboard, one_time_keyboard=True),
    )
    return GENDER


async def gender(update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
    context.user_data["gender"] = update.effective_message.text
    await update.effective_message.reply_text("How old are you?", reply_markup=ReplyKeyboardRemove())
    return AGE


async def age(update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
    text = update.effective_message.text
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) < 130:
        await update.effective_message.reply_text("A number, please.")
        return AGE
    context.user_data["age"] = int(text)
    await update.effective_message.reply_text("Send me a photo of yours, or /skip.")
    return PHOTO


async def photo(update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
    file = await update.effective_message.photo[-1].get_file()
    await file.download_to_drive("user_photo.jpg")
    await update.effective_message.reply_text("Gorgeous! Tell me something about yourself.")
    return BIO


async def skip_photo(update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
    await update.effective_message.reply_text("I bet you look great! Tell me something about yourself.")
    return BIO


async def bio(update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
    logger.info("Bio of %s: %s", update.effective_user.first_name, update.effective_message.text)
    await update.effective_message.reply_text(f"Thank you! You are {context.user_data['age']}.")
    return ConversationHandler.END


async def cancel(update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
    await update.effective_message.reply_text("Bye!", reply_markup=ReplyKeyboardRemove())
    return ConversationHandler.END


def main() -> None:
    application = Application.builder().token(os.environ["TELEGRAM_TOKEN"]).build()
    application.add_handler(
        ConversationHandler(
            entry_points=[CommandHandler("start", start)],
            states={
                GENDER: [MessageHandler(filters.Regex("^(Boy|Girl|Other)$"), gender)],
                AGE: [MessageHandler(filters.TEXT & ~filters.COMMAND, age)],
                PHOTO: [MessageHandler(filters.PHOTO, photo), CommandHandler("skip", skip_photo)],
                BIO: [MessageHandler(filters.TEXT & ~filters.COMMAND, bio)],
            },
            fallbacks=[CommandHandler("cancel", cancel)],
        )
    )
    application.run_polling(allowed_updates=Update.ALL_TYPES)


if __name__ == "__main__":
    main()
