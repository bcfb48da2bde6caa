"""A bookshop's catalogue: pages to turn, a search, a page for each book, and a basket.

    fsmkit chat examples/cookbook/catalogue.py                talk to it in the terminal
    fsmkit graph examples/cookbook/catalogue.py               draw it
    BOT_TOKEN=... python examples/cookbook/catalogue.py       run it on Telegram

All of it happens in one message, which is edited at each press.
"""

from collections import Counter
from typing import Literal

import attrs

from fsmkit import ANY, Button, Context, End, Flow, Reply, Stay, To
from fsmkit.telegram import TelegramEvent, button, command, run, text

PER_PAGE = 4


@attrs.frozen
class Book:
    title: str
    author: str
    price: int


BOOKS = dict(
    enumerate(
        [
            Book("Emma", "Jane Austen", 9),
            Book("Persuasion", "Jane Austen", 8),
            Book("Pride and Prejudice", "Jane Austen", 9),
            Book("Jane Eyre", "Charlotte Brontë", 11),
            Book("Villette", "Charlotte Brontë", 12),
            Book("Wuthering Heights", "Emily Brontë", 10),
            Book("Bleak House", "Charles Dickens", 14),
            Book("Great Expectations", "Charles Dickens", 10),
            Book("Middlemarch", "George Eliot", 15),
            Book("Silas Marner", "George Eliot", 7),
            Book("Frankenstein", "Mary Shelley", 8),
            Book("Vanity Fair", "William Thackeray", 13),
        ]
    )
)
"""By number. In a shop of your own this is a table of its database."""


@attrs.frozen
class Page:
    """A button that turns to a page."""

    number: int


@attrs.frozen
class Look:
    """A button that opens a book."""

    book: int


@attrs.frozen
class Visit:
    words: str = ""
    page: int = 0
    book: int = 0
    basket: tuple[int, ...] = ()

    def found(self) -> dict[int, Book]:
        wanted = self.words.casefold()
        return {
            id_: each for id_, each in BOOKS.items() if wanted in f"{each.title} {each.author}".casefold()
        }

    def total(self) -> int:
        return sum(BOOKS[each].price for each in self.basket)


# -- what is shown -----------------------------------------------------------------------------------


def shelf(ctx: Context[Visit]) -> Reply:
    found, page = ctx.data.found(), ctx.data.page
    if not found:
        return Reply(f"Nothing found for “{ctx.data.words}”. Send another word.", buttons=["Show all"])
    pages = -(-len(found) // PER_PAGE)
    books = [
        [Button(f"{book.title}, {book.price} €", Look(id_))]
        for id_, book in [*found.items()][page * PER_PAGE : (page + 1) * PER_PAGE]
    ]
    turn = [
        Button(sign, Page(to)) for sign, to in (("Previous", page - 1), ("Next", page + 1)) if 0 <= to < pages
    ]
    more = [*(["Show all"] if ctx.data.words else []), "Basket"]
    title = f"“{ctx.data.words}”" if ctx.data.words else "All books"
    return Reply(f"{title}, page {page + 1} of {pages}\nSend a word to search.", buttons=[*books, turn, more])


def details(ctx: Context[Visit]) -> Reply:
    book = BOOKS[ctx.data.book]
    return Reply(
        f"{book.title}\nby {book.author}\n{book.price} €",
        buttons=[["Into the basket"], ["To the shelf", "Basket"]],
    )


def basket(ctx: Context[Visit]) -> Reply:
    lines = [f"{BOOKS[book].title}: {count}" for book, count in Counter(ctx.data.basket).items()]
    if not lines:
        return Reply("Your basket is empty.", buttons=["To the shelf"])
    return Reply(
        "\n".join([*lines, f"Total: {ctx.data.total()} €"]), buttons=[["Order"], ["Empty it", "To the shelf"]]
    )


# -- where one goes ----------------------------------------------------------------------------------

catalogue = Flow("catalogue", data=Visit, ttl=7 * 86_400)
catalogue.state("shelf", prompt=shelf, show=True, otherwise="Send a word to search, or press a button.")
catalogue.state("book", prompt=details, show=True, otherwise="Please press a button.")
catalogue.state("basket", prompt=basket, show=True, otherwise="Please press a button.")


@catalogue.defstate(None, on=command("books", "start", description="Look at the books"))
def begin(event: TelegramEvent, ctx: Context[Visit]) -> To[Literal["shelf"], Visit]:
    return ("transition", "shelf", Visit())


@catalogue.defstate(ANY, on=command("books"))
def again(event: TelegramEvent, ctx: Context[Visit]) -> To[Literal["shelf"], Visit]:
    return ("transition", "shelf", Visit(basket=ctx.data.basket))


@catalogue.defstate("shelf", on=text(r".{1,40}"))
def search(event: TelegramEvent, ctx: Context[Visit]) -> To[Literal["shelf"], Visit]:
    return ("transition", "shelf", ctx.evolve(words=event.text, page=0))


@catalogue.defstate("shelf", on=button("Show all"))
def show_all(event: TelegramEvent, ctx: Context[Visit]) -> To[Literal["shelf"], Visit]:
    return ("transition", "shelf", ctx.evolve(words="", page=0))


@catalogue.defstate("shelf", on=button(Page))
def turn(event: TelegramEvent, ctx: Context[Visit]) -> To[Literal["shelf"], Visit]:
    return ("transition", "shelf", ctx.evolve(page=event.value.number))


@catalogue.defstate("shelf", on=button(Look))
def look(event: TelegramEvent, ctx: Context[Visit]) -> To[Literal["book"], Visit]:
    return ("transition", "book", ctx.evolve(book=event.value.book))


@catalogue.defstate("book", on=button("Into the basket"))
def put_in(event: TelegramEvent, ctx: Context[Visit]) -> Stay[Visit]:
    ctx.answer("It is in your basket.")
    return ("stay", ctx.evolve(basket=(*ctx.data.basket, ctx.data.book)))


@catalogue.defstate("shelf", "book", on=button("Basket"))
def to_basket(event: TelegramEvent, ctx: Context[Visit]) -> To[Literal["basket"]]:
    return ("transition", "basket")


@catalogue.defstate("book", "basket", on=button("To the shelf"))
def to_shelf(event: TelegramEvent, ctx: Context[Visit]) -> To[Literal["shelf"]]:
    return ("transition", "shelf")


@catalogue.defstate("basket", on=button("Empty it"))
def empty(event: TelegramEvent, ctx: Context[Visit]) -> To[Literal["basket"], Visit]:
    return ("transition", "basket", ctx.evolve(basket=()))


@catalogue.defstate("basket", on=button("Order"))
def order(event: TelegramEvent, ctx: Context[Visit]) -> End[tuple[int, ...]]:
    ctx.show(f"Thank you! Your books for {ctx.data.total()} € will be with you soon.")
    return ("end", ctx.data.basket)


if __name__ == "__main__":
    run(catalogue, command_menu=True)
