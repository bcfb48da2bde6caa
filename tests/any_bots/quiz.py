"""A conversation that times out, chance, jobs, and captions."""

import random

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    ConversationHandler,
    TypeHandler,
)

PLAYING = 0
QUESTIONS = {"2 + 2": 4, "3 * 3": 9, "10 - 7": 3}


async def ask(update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
    question = random.choice(sorted(QUESTIONS))
    context.user_data["answer"] = QUESTIONS[question]
    numbers = random.sample(range(10), 3)
    if QUESTIONS[question] not in numbers:
        numbers[0] = QUESTIONS[question]
    keyboard = [[InlineKeyboardButton(str(number), callback_data=str(number)) for number in numbers]]
    await update.effective_message.reply_text(f"{question} = ?", reply_markup=InlineKeyboardMarkup(keyboard))
    return PLAYING


async def play(update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
    context.user_data["points"] = 0
    return await ask(update, context)


async def answered(update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
    await update.callback_query.answer()
    if int(update.callback_query.data) == context.user_data["answer"]:
        context.user_data["points"] += 1
        await update.effective_message.reply_text("Right!")
        return await ask(update, context)
    await update.effective_message.reply_text(f"Wrong. {context.user_data['points']} points.")
    context.job_queue.run_once(remind, 3600, chat_id=update.effective_chat.id)
    return ConversationHandler.END


async def remind(context: ContextTypes.DEFAULT_TYPE) -> None:
    await context.bot.send_message(context.job.chat_id, "Another round? /play")


async def give_up(update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
    await update.effective_message.reply_text("Well tried.")
    return ConversationHandler.END


async def timed_out(update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
    await update.effective_message.reply_text("Too slow!")
    return ConversationHandler.END


async def old(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
    await update.callback_query.answer("That round is over.")


def main() -> None:
    application = Application.builder().token("TOKEN").build()
    application.add_handler(
        ConversationHandler(
            entry_points=[CommandHandler("play", play)],
            states={
                PLAYING: [CallbackQueryHandler(answered, pattern=r"^\d+$")],
                ConversationHandler.TIMEOUT: [TypeHandler(Update, timed_out)],
            },
            fallbacks=[CommandHandler("give_up", give_up)],
            conversation_timeout=60,
        )
    )
    application.add_handler(CallbackQueryHandler(old))
    application.run_polling()


if __name__ == "__main__":
    main()
