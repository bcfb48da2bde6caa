"""States by strings, inline keyboards that are edited in place, an error handler, a token in the source."""

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import ParseMode
from telegram.ext import (
    ApplicationBuilder,
    CallbackQueryHandler,
    CommandHandler,
    ConversationHandler,
    Defaults,
    MessageHandler,
    filters,
)

TOKEN = "YOUR_TOKEN_HERE"
PRICES = {"tea": 3, "coffee": 4, "cake": 5}


def menu():
    rows = [
        [InlineKeyboardButton(f"{name} {price} €", callback_data=f"add:{name}")]
        for name, price in PRICES.items()
    ]
    rows.append(
        [
            InlineKeyboardButton("Checkout", callback_data="checkout"),
            InlineKeyboardButton("Help", callback_data="help"),
        ]
    )
    return InlineKeyboardMarkup(rows)


async def shop(update, context):
    context.user_data["cart"] = []
    await update.effective_message.reply_text("<b>Welcome!</b> What would you like?", reply_markup=menu())
    return "CHOOSING"


async def add(update, context):
    query = update.callback_query
    name = query.data.partition(":")[2]
    context.user_data.setdefault("cart", []).append(name)
    await query.answer(f"{name} added")
    cart = context.user_data["cart"]
    await query.edit_message_text(f"Your cart: {len(cart)} things, the last is {name}", reply_markup=menu())
    return "CHOOSING"


async def show_help(update, context):
    await update.callback_query.answer("Press what you want, then Checkout.", show_alert=True)


async def checkout(update, context):
    query = update.callback_query
    await query.answer()
    if not context.user_data.get("cart"):
        await query.message.reply_text("Your cart is empty.")
        return "CHOOSING"
    total = sum(PRICES[name] for name in context.user_data["cart"])
    keyboard = InlineKeyboardMarkup(
        [
            [
                InlineKeyboardButton("Pay", callback_data="pay"),
                InlineKeyboardButton("Back", callback_data="back"),
            ]
        ]
    )
    await query.edit_message_text(f"That is {total} €.", reply_markup=keyboard)
    return "PAYING"


async def back(update, context):
    await update.callback_query.answer()
    await update.callback_query.edit_message_text("What else?", reply_markup=menu())
    return "CHOOSING"


async def pay(update, context):
    await update.callback_query.answer()
    await update.callback_query.edit_message_text("Where shall we bring it?")
    return "ADDRESS"


async def address(update, context):
    await update.effective_message.reply_text("It is on its way!")
    context.user_data.clear()
    return ConversationHandler.END


async def cancel(update, context):
    await update.effective_message.reply_text("Another time, then.")
    return ConversationHandler.END


async def expired(update, context):
    await update.callback_query.answer("This menu is an old one: /shop shows a new one.")


async def failed(update, context):
    print(context.error)


app = ApplicationBuilder().token(TOKEN).defaults(Defaults(parse_mode=ParseMode.HTML)).build()
app.add_handler(
    ConversationHandler(
        entry_points=[CommandHandler(["start", "shop"], shop)],
        states={
            "CHOOSING": [
                CallbackQueryHandler(add, pattern="^add:"),
                CallbackQueryHandler(checkout, pattern="^checkout$"),
                CallbackQueryHandler(show_help, pattern="^help$"),
            ],
            "PAYING": [
                CallbackQueryHandler(pay, pattern="^pay$"),
                CallbackQueryHandler(back, pattern="^back$"),
            ],
            "ADDRESS": [MessageHandler(filters.TEXT & ~filters.COMMAND, address)],
        },
        fallbacks=[CommandHandler("cancel", cancel)],
    )
)
app.add_handler(CallbackQueryHandler(expired))
app.add_error_handler(failed)
app.run_polling()
