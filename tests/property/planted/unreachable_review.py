"""A tax return of sixty pages, the last but one of which is to be looked at before it is sent.

The bug: the last question leads to `sent` and not to `review` (see `BUG` below). Nothing breaks; nobody ever sees the
review.

It is seen without a conversation.
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command, text

TOPICS = ("Work", "Rent", "Shares", "Children", "Health", "Gifts", "Travel", "Study")
QUESTIONS = (
    "Did you have any",
    "How much came in for",
    "How much was spent on",
    "Since which year is there",
    "Any papers for",
)
LIMITS = (r"[Yy]es|[Nn]o", r"[0-9]{1,7}", r"[0-9]{1,7}", r"(?:19|20)[0-9]{2}", r"[Yy]es|[Nn]o")
PAGES = tuple(f"{topic} {number}" for topic in TOPICS for number in range(len(QUESTIONS)))
PEOPLE = tuple(f"person {number}" for number in range(1, 18))

tax = Flow("tax", data=dict, ttl=None)
for page in PAGES:
    topic, number = page.split()
    tax.state(
        page, prompt=f"{QUESTIONS[int(number)]} {topic.lower()}?", otherwise="That does not look right."
    )
for person in PEOPLE:
    tax.state(person, prompt=f"The name of {person}? /nobody if that was all.", otherwise="A name, please.")
tax.state("account", prompt="Which account?", otherwise="The number of the account, 8 digits.")
tax.state(
    "review",
    prompt=lambda ctx: f"{len(ctx.data)} answers. Send it?",
    buttons=["Send", "Start over"],
    otherwise="Send it?",
)
tax.state("sent", prompt="It is sent. A copy?", buttons=["Copy", "No copy"], otherwise="A copy?")


@tax.defstate(None, on=command("tax"), to=PAGES[0])
def start(event, ctx):
    return ("transition", PAGES[0], {})


def ask(page, pattern, following):
    """The handler of a page."""

    @tax.defstate(page, on=text(pattern), to=following)
    def answer(event, ctx):
        return ("transition", following, ctx.evolve(**{page: event.text}))


for number, page in enumerate(PAGES):
    ask(page, LIMITS[number % len(LIMITS)], (*PAGES, PEOPLE[0])[number + 1])
for number, person in enumerate(PEOPLE):
    ask(person, r"[A-Z][a-z]{1,19}", (*PEOPLE, "account")[number + 1])


@tax.defstate(*PEOPLE, on=command("nobody"))
def nobody(event, ctx):
    return ("transition", "account")


@tax.defstate("account", on=text(r"[0-9]{8}"))
def got_account(event, ctx):
    return ("transition", "review", ctx.evolve(account=event.text))


@tax.defstate("review", on=button("Send"))
def send(event, ctx):
    return ("transition", "sent")


@tax.defstate("review", on=button("Start over"), to=PAGES[0])
def start_over(event, ctx):
    return ("transition", PAGES[0], {})


@tax.defstate("sent", on=button("Copy", "No copy"))
def done(event, ctx):
    ctx.reply("Good-bye.")
    return ("end",)


@tax.defstate(*PAGES, *PEOPLE, "account", "review", on=command("back"))
def back(event, ctx):
    return ("back",)


@tax.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Thrown away.")
    return ("end",)


FINDS = "unreachable"
SHORTEST = 0
BUG = (
    (
        """\
    return ("transition", "review", ctx.evolve(account=event.text))
""",
        """\
    return ("transition", "sent", ctx.evolve(account=event.text))  # BUG: "review"
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
