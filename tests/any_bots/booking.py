"""States by an enum, a class whose methods are the callbacks, started by hand in a coroutine."""

import asyncio
import enum
from datetime import date, datetime, timedelta

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    ConversationHandler,
    MessageHandler,
    filters,
)


class Step(enum.Enum):
    DAY = enum.auto()
    PEOPLE = enum.auto()
    SURE = enum.auto()


class Restaurant:
    """A restaurant that takes bookings."""

    def __init__(self):
        self.bookings: dict[int, list[tuple[date, int]]] = {}

    async def book(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> Step:
        days = [date.today() + timedelta(days=number) for number in range(1, 4)]
        buttons = [InlineKeyboardButton(f"{day:%d.%m.}", callback_data=day.isoformat()) for day in days]
        await update.effective_message.reply_text("Which day?", reply_markup=InlineKeyboardMarkup([buttons]))
        return Step.DAY

    async def day(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> Step:
        await update.callback_query.answer()
        context.user_data["day"] = datetime.fromisoformat(update.callback_query.data).date()
        await update.callback_query.edit_message_text("For how many people?")
        return Step.PEOPLE

    async def people(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> Step:
        number = int(context.matches[0].group())
        context.user_data["people"] = number
        buttons = [InlineKeyboardButton(text, callback_data=text.lower()) for text in ("Yes", "No")]
        await update.effective_message.reply_text(
            f"{context.user_data['day']:%d.%m.}, {number} people?",
            reply_markup=InlineKeyboardMarkup([buttons]),
        )
        return Step.SURE

    async def wrong(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> Step:
        await update.effective_message.reply_text("A number from 1 to 9, please.")
        return Step.PEOPLE

    async def sure(self, update: Update, context: ContextTypes.DEFAULT_TYPE):
        query = update.callback_query
        await query.answer()
        if query.data == "no":
            await query.edit_message_text("For how many people, then?")
            return Step.PEOPLE
        booked = self.bookings.setdefault(update.effective_user.id, [])
        booked.append((context.user_data["day"], context.user_data["people"]))
        await query.edit_message_text(f"Booked. You have {len(booked)} tables now.")
        return ConversationHandler.END

    async def cancel(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> int:
        await update.effective_message.reply_text("Nothing was booked.")
        return ConversationHandler.END

    def conversation(self) -> ConversationHandler:
        return ConversationHandler(
            entry_points=[CommandHandler("book", self.book)],
            states={
                Step.DAY: [CallbackQueryHandler(self.day, pattern=r"^\d{4}-\d\d-\d\d$")],
                Step.PEOPLE: [
                    MessageHandler(filters.Regex("^[1-9]$"), self.people),
                    MessageHandler(filters.TEXT & ~filters.COMMAND, self.wrong),
                ],
                Step.SURE: [CallbackQueryHandler(self.sure, pattern="^(yes|no)$")],
            },
            fallbacks=[CommandHandler("cancel", self.cancel)],
            name="booking",
        )


async def main():
    application = Application.builder().token("12345:TEST").build()
    application.add_handler(Restaurant().conversation())
    async with application:
        await application.start()
        await application.updater.start_polling()
        await asyncio.Event().wait()


asyncio.run(main())
