"""What PTB's five conversation examples do, as plain ConversationHandlers: what ours are held against.

Written for these tests from their behaviour; the nested one is flat here, since nobody in the chat can tell.
"""

import warnings

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, ReplyKeyboardMarkup, ReplyKeyboardRemove
from telegram.ext import (
    CallbackQueryHandler,
    CommandHandler,
    ConversationHandler,
    MessageHandler,
    filters,
)
from telegram.warnings import PTBUserWarning

END = ConversationHandler.END
WORDS = filters.TEXT & ~filters.COMMAND
GONE = ReplyKeyboardRemove()
CHOICES = ReplyKeyboardMarkup(
    [["Age", "Favourite colour"], ["Number of siblings", "Something else..."], ["Done"]],
    one_time_keyboard=True,
)
CHOICE = filters.Regex("^(Age|Favourite colour|Number of siblings)$")
ELSE = filters.Regex(r"^Something else\.\.\.$")
DONE = filters.Regex("^Done$")


def says(text, then, markup=None):
    """A callback that says something and goes on; what is said may depend on update and context."""

    async def callback(update, context):
        said = text(update, context) if callable(text) else text
        await update.message.reply_text(said, reply_markup=markup)
        return then

    return callback


def on_command(name, text, then, markup=None):
    return CommandHandler(name, says(text, then, markup))


def on_message(wanted, text, then, markup=None):
    return MessageHandler(wanted, says(text, then, markup))


def handler(entry_points, states, fallbacks=()):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PTBUserWarning)  # of the buttons: that is how the originals are
        return ConversationHandler(entry_points, states, list(fallbacks))


def conversationbot():
    hello = (
        "Hi! My name is Professor Bot. I will hold a conversation with you. Send /cancel to stop talking "
        "to me.\n\nAre you a boy or a girl?"
    )
    genders = ReplyKeyboardMarkup(
        [["Boy", "Girl", "Other"]], one_time_keyboard=True, input_field_placeholder="Boy or Girl?"
    )
    ask_photo = (
        "I see! Please send me a photo of yourself, so I know what you look like, or send /skip if you "
        "don't want to."
    )
    gorgeous = "Gorgeous! Now, send me your location please, or send /skip if you don't want to."
    great = "I bet you look great! Now, send me your location please, or send /skip."
    visit = "Maybe I can visit you sometime! At last, tell me something about yourself."
    paranoid = "You seem a bit paranoid! At last, tell me something about yourself."
    bye = "Bye! I hope we can talk again some day."
    return [
        handler(
            [on_command("start", hello, "gender", genders)],
            {
                "gender": [on_message(filters.Regex("^(Boy|Girl|Other)$"), ask_photo, "photo", GONE)],
                "photo": [
                    on_message(filters.PHOTO, gorgeous, "location"),
                    on_command("skip", great, "location"),
                ],
                "location": [
                    on_message(filters.LOCATION, visit, "bio"),
                    on_command("skip", paranoid, "bio"),
                ],
                "bio": [on_message(WORDS, "Thank you! I hope we can talk again some day.", END)],
            },
            [on_command("cancel", bye, END, GONE)],
        )
    ]


def lines(facts):
    return "\n".join(["", *(f"{name} - {fact}" for name, fact in facts.items()), ""])


def collecting(hello, chosen, told, facts_of, forget):
    """What both Doctor Botters have in common."""

    def neat(update, context):
        told(update, context)
        facts = lines(facts_of(context))
        return (
            f"Neat! Just so you know, this is what you already told me:{facts}You can tell me more, or "
            "change your opinion on something."
        )

    async def done(update, context):
        text = f"I learned these facts about you: {lines(facts_of(context))}Until next time!"
        await update.message.reply_text(text, reply_markup=GONE)
        if forget:
            context.user_data.clear()
        return END

    first = 'Alright, please send me the category first, for example "Most impressive skill"'
    return handler(
        [on_command("start", hello, "choice", CHOICES)],
        {
            "choice": [on_message(CHOICE, chosen, "fact"), on_message(ELSE, first, "category")],
            "category": [on_message(WORDS & ~DONE, chosen, "fact")],
            "fact": [on_message(WORDS & ~DONE, neat, "choice", CHOICES)],
        },
        [MessageHandler(DONE, done)],
    )


def conversationbot2():
    hello = (
        "Hi! My name is Doctor Botter. I will hold a more complex conversation with you. Why don't you tell "
        "me something about yourself?"
    )

    def facts_of(context):
        return context.user_data.setdefault("facts", {})

    def chosen(update, context):
        context.user_data["category"] = update.message.text
        return f"Your {update.message.text.lower()}? Yes, I would love to hear about that!"

    def told(update, context):
        facts_of(context)[context.user_data["category"]] = update.message.text

    return [collecting(hello, chosen, told, facts_of, forget=True)]


def persistentconversationbot():
    def facts_of(context):
        return context.user_data.setdefault("facts", {})

    def hello(update, context):
        known = ", ".join(facts_of(context))
        if known:
            return (
                f"Hi! My name is Doctor Botter. You already told me your {known}. Why don't you tell me "
                "something more about yourself? Or change anything I already know."
            )
        return (
            "Hi! My name is Doctor Botter. I will hold a more complex conversation with you. Why don't you "
            "tell me something about yourself?"
        )

    def chosen(update, context):
        category = context.user_data["category"] = update.message.text.lower()
        known = facts_of(context).get(category)
        if known:
            return f"Your {category}? I already know the following about that: {known}"
        return f"Your {category}? Yes, I would love to hear about that!"

    def told(update, context):
        facts_of(context)[context.user_data["category"]] = update.message.text.lower()

    def all_of_it(update, context):
        return f"This is what you already told me: {lines(facts_of(context))}"

    return [
        collecting(hello, chosen, told, facts_of, forget=False),
        on_command("show_data", all_of_it, None),
    ]


def shows(text, then, *rows):
    """A callback of a press that edits the message; rows are of pairs of text and data."""

    async def callback(update, context):
        said, buttons = text(update, context) if callable(text) else (text, rows)
        query = update.callback_query
        await query.answer()
        await query.edit_message_text(said, reply_markup=inline(buttons) if buttons else None)
        return then

    return callback


def inline(rows):
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(text, callback_data=data) for text, data in row] for row in rows]
    )


def pressed(data, text, then, *rows):
    return CallbackQueryHandler(shows(text, then, *rows), f"^{data}$")


def inlinekeyboard2():
    start, first = "Start handler, Choose a route", [("1", "1"), ("2", "2")]
    third = [("Yes, let's do it again!", "again"), ("Nah, I've had enough ...", "enough")]
    begin = on_command("start", start, "routes", inline([first]))
    routes = [
        pressed("1", "First CallbackQueryHandler, Choose a route", "routes", [("3", "3"), ("4", "4")]),
        pressed("2", "Second CallbackQueryHandler, Choose a route", "routes", [("1", "1"), ("3", "3")]),
        pressed("3", "Third CallbackQueryHandler. Do want to start over?", "end", third),
        pressed("4", "Fourth CallbackQueryHandler, Choose a route", "routes", [("2", "2"), ("3", "3")]),
    ]
    ends = [pressed("again", start, "routes", first), pressed("enough", "See you next time!", END)]
    return [handler([begin], {"routes": routes, "end": ends}, [begin])]


def nestedconversationbot():
    menu = (
        "You may choose to add a family member, yourself, show the gathered data, or end the conversation. "
        "To abort, simply type /stop."
    )
    actions = [
        [("Add family member", "member"), ("Add yourself", "self")],
        [("Show data", "show"), ("Done", "done")],
    ]
    level = "You may add a parent or a child. Also you can show the gathered data or go back."
    levels = [[("Add parent", "parent"), ("Add child", "child")], [("Show data", "show"), ("Back", "menu")]]
    features = [[("Name", "name"), ("Age", "age"), ("Done", "done")]]

    def people(context):
        return context.user_data.setdefault("people", [])

    def gathered(update, context):
        def group(title, *relations):
            found = [
                f"\n{relation + ': ' if relation else ''}Name: {known.get('name', '-')}, "
                f"Age: {known.get('age', '-')}"
                for relation, known in people(context)
                if relation in relations
            ]
            return title + ("".join(found) or "\nNo information yet.")

        groups = (group("Yourself:", ""), group("Parents:", "Father", "Mother"))
        text = "\n\n".join([*groups, group("Children:", "Brother", "Sister")])
        return text, [[("Back", "menu")]]

    async def start(update, context):
        await update.message.reply_text(
            "Hi, I'm Family Bot and I'm here to help you gather information about your family."
        )
        await update.message.reply_text(menu, reply_markup=inline(actions))
        return "menu"

    def whom(*relations):
        rows = [[(f"Add {relation}", relation) for relation in relations]]
        return "Please choose, whom to add.", "whom", *rows, [("Show data", "show"), ("Back", "menu")]

    async def describe(update, context):
        data = update.callback_query.data
        context.user_data["person"] = ("" if data == "info" else data, {})
        return await shows("Please select a feature to update.", "feature", *features)(update, context)

    async def ask(update, context):
        context.user_data["feature"] = update.callback_query.data
        return await shows("Okay, tell me.", "typing")(update, context)

    async def told(update, context):
        context.user_data["person"][1][context.user_data["feature"]] = update.message.text
        text = "Got it! Please select a feature to update."
        return await says(text, "feature", inline(features))(update, context)

    async def described(update, context):
        person = context.user_data["person"]
        people(context).append(person)
        go_on = shows(level, "level", *levels) if person[0] else shows(menu, "menu", *actions)
        return await go_on(update, context)

    to_menu, show = pressed("menu", menu, "menu", *actions), pressed("show", gathered, "data")
    return [
        handler(
            [CommandHandler("start", start)],
            {
                "menu": [
                    pressed("member", level, "level", *levels),
                    pressed("self", "Okay, please tell me about yourself.", "self", [("Add info", "info")]),
                    pressed("done", "See you around!", END),
                    show,
                ],
                "self": [CallbackQueryHandler(describe, "^info$")],
                "level": [
                    pressed("parent", *whom("Father", "Mother")),
                    pressed("child", *whom("Brother", "Sister")),
                    show,
                    to_menu,
                ],
                "whom": [show, to_menu, CallbackQueryHandler(describe)],
                "data": [to_menu],
                "feature": [
                    CallbackQueryHandler(described, "^done$"),
                    CallbackQueryHandler(ask, "^(name|age)$"),
                ],
                "typing": [MessageHandler(WORDS, told)],
            },
            [on_command("stop", "Okay, bye.", END)],
        )
    ]
