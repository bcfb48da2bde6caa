"""The examples: whole conversations with them, as the terminal shows them, and their types."""

import importlib.util
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fsmkit.cli.commands import main
from fsmkit.graph import graph_of

EXAMPLES = Path(__file__).parent.parent / "examples"

SIGNUP = """
> Hello
(no answer)
> /start
What's your name?
> :photo
Up to 40 characters of text, please.
> Ann
How old are you?
> seventeen
Digits, please.
> 400
Digits, please.
> 17
Ann, aged 17. Is that right?
  [1] Yes  [2] No
  [3] Change name
> yes
Please press one of the buttons.
> :3
(presses Change name)
What's your name?
> Anna
Anna, aged 17. Is that right?
  [1] Yes  [2] No
  [3] Change name
> 2
(presses No)
Then once more from the beginning.
What's your name?
> 7
How old are you?
> 42
7, aged 42. Is that right?
  [1] Yes  [2] No
  [3] Change name
> 1
(presses Yes)
Welcome, 7!
> :1
(presses Yes)
(notice) This button is no longer in use.
> /start
What's your name?
> /cancel
Cancelled. /start begins anew.
> Ann
(no answer)
"""

ORDER = """
> /order
Your cart is empty.
  [1] Tea, 3 €  [2] Cake, 7 €
  [3] Check out
> 3
(presses Check out)
(alert) There is nothing in your cart.
> 1
(presses Tea, 3 €)
(edited) Tea: 3 €
  [1] Tea, 3 €  [2] Cake, 7 €
  [3] Check out
> 2
(presses Cake, 7 €)
(edited) Tea, Cake: 10 €
  [1] Tea, 3 €  [2] Cake, 7 €
  [3] Check out
> 3
(presses Check out)
Street and number?
> :photo
In words, please. /back goes back.
> Baker Street 21
And the city?
> /back
Street and number?
> Baker Street 221b
And the city?
> London
10 € to London: please pay within 15 minutes.
  [1] Change the order
> is it on its way?
I am waiting for your payment. /cancel forgets the order.
> :event Paid {"amount": 7}
7 € came in, 10 € are needed.
> :event Paid {"amount": 10}
Thank you! Tea, Cake will be at Baker Street 221b soon.
> :event Paid {"amount": 10}
(no handler takes it now)
"""

ORDER_CHANGED = """
> /order
Your cart is empty.
  [1] Tea, 3 €  [2] Cake, 7 €
  [3] Check out
> 1
(presses Tea, 3 €)
(edited) Tea: 3 €
  [1] Tea, 3 €  [2] Cake, 7 €
  [3] Check out
> 3
(presses Check out)
Street and number?
> Baker Street 221b
And the city?
> /cancel
Cancelled. /order begins another one.
> Baker Street 221b
(no answer)
"""

ORDER_FORGOTTEN = """
> :wait 14m
(14m later)
> :wait 1m
(1m later)
Still there? I keep your order for another 10 minutes.
> yes
I am waiting for your payment. /cancel forgets the order.
> :wait 9m59s
(9m59s later)
> :wait 1s
(1s later)
Your order has expired. /order begins another one.
> hello?
(no answer)
"""

REGISTRATION = """
> /start
Welcome! What's your name?
> Ann
Your e-mail address?
  [1] Back
> ann
An address like ann@example.org, please.
> ann@example.org
How old are you?
  [1] Back
> 15
What would you like to eat?
  [1] Meat  [2] Fish  [3] Vegan
  [4] Back
> fish
Will you stay for dinner?
  [1] Yes  [2] No
  [3] Skip  [4] Back
> /skip
A glass of wine with it?
  [1] Yes  [2] No
  [3] Skip  [4] Back
> :1
(presses Yes)
Is all of this right?

Name: Ann
E-mail: ann@example.org
Age: 15
Meal: Fish
Dinner: —
Wine: Yes
  [1] Edit Name  [2] Edit E-mail
  [3] Edit Age  [4] Edit Meal
  [5] Edit Dinner  [6] Edit Wine
  [7] Confirm  [8] Cancel
> :7
(presses Confirm)
Wine is for guests of 16 and older. Please change one of the two.
> :6
(presses Edit Wine)
A glass of wine with it?
  [1] Yes  [2] No
  [3] Skip  [4] Back
> no
Is all of this right?

Name: Ann
E-mail: ann@example.org
Age: 15
Meal: Fish
Dinner: —
Wine: No
  [1] Edit Name  [2] Edit E-mail
  [3] Edit Age  [4] Edit Meal
  [5] Edit Dinner  [6] Edit Wine
  [7] Confirm  [8] Cancel
> :7
(presses Confirm)
Thank you, Ann! A ticket is on its way to ann@example.org.
"""

SHOP = """
> /order
Your cart is empty.
  [1] Tea, 3 €  [2] Cake, 7 €
  [3] Pay
> 3
(presses Pay)
(alert) There is nothing in your cart.
> 1
(presses Tea, 3 €)
(edited) Tea: 3 €
  [1] Tea, 3 €  [2] Cake, 7 €
  [3] Pay
> 2
(presses Cake, 7 €)
(edited) Tea, Cake: 10 €
  [1] Tea, 3 €  [2] Cake, 7 €
  [3] Pay
> 3
(presses Pay)
10 €, please. Your order is number 1:1:-:-:42.
> hello?
I am waiting for your payment. /cancel forgets the order.
> /status
Tea, Cake: not paid yet.
> :event Paid {"amount": 7}
7 € came in, 10 € are needed.
> :wait 10m
(10m later)
Still there? I keep your order for an hour.
> :event Paid {"amount": 10}
Writing your receipt …
(buttons taken away) Tea, Cake: 10 €
(edited) Writing your receipt: 50%
(edited) Your receipt: Tea 3 €, Cake 7 €: 10 €, paid.
> is it on its way?
It is not on its way yet. /status tells more.
> /status
Tea, Cake: being packed.
> :event Shipped {"parcel": "RR1"}
Tea, Cake: on its way to you, parcel RR1.
> /status
(no answer)
"""

SHOP_FORGOTTEN = """
> /order
Your cart is empty.
  [1] Tea, 3 €  [2] Cake, 7 €
  [3] Pay
> :event Shipped {"parcel": "RR1"}
(no handler takes it now)
> :wait 1h
(1h later)
Your order has expired. /order begins another one.
> /order
Your cart is empty.
  [1] Tea, 3 €  [2] Cake, 7 €
  [3] Pay
> /cancel
Cancelled. /order begins another one.
"""

PAYMENT = """
> /order
> 2
> 3
> Baker Street 221b
> London
"""


def chat(example, transcript):
    """What the terminal shows of the lines that a transcript has as typed ones."""
    typed = "\n".join(re.findall(r"(?m)^> (.*)$", transcript)) + "\n"
    result = CliRunner().invoke(main, ["chat", str(EXAMPLES / example)], input=typed, catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (0, "")
    return "\n" + result.stdout.partition("\n")[2]


@pytest.mark.parametrize(
    ("example", "transcript"),
    [
        pytest.param("signup.py", SIGNUP, id="signup"),
        pytest.param("order.py", ORDER, id="order"),
        pytest.param("registration.py", REGISTRATION, id="registration"),
        pytest.param("order.py", ORDER_CHANGED, id="order, cancelled in the sub-flow"),
        pytest.param("shop.py", SHOP, id="shop"),
        pytest.param("shop.py", SHOP_FORGOTTEN, id="shop, forgotten"),
    ],
)
def test_a_whole_conversation(example, transcript):
    assert chat(example, transcript) == transcript


def test_an_order_that_is_forgotten_is_reminded_of_and_expires():
    assert chat("order.py", PAYMENT + ORDER_FORGOTTEN).endswith(ORDER_FORGOTTEN)


def test_an_order_can_be_changed_before_it_is_paid():
    shown = chat("order.py", PAYMENT + "> 1\n> 1\n> :state\n")
    assert '"items": [\n      "Cake",\n      "Tea"\n    ]' in shown
    assert '"state": "cart"' in shown


@pytest.mark.parametrize("example", ["signup.py", "order.py", "shop.py", "registration.py"])
def test_nothing_about_an_example_cannot_be_read(example):
    spec = importlib.util.spec_from_file_location(f"example_{example[:-3]}", EXAMPLES / example)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    graph = graph_of(vars(module)[example[:-3]])
    assert graph.problems == ()
    assert set(graph.states) <= graph.reachable


@pytest.mark.parametrize("example", ["signup.py", "order.py", "shop.py", "registration.py"])
def test_an_example_can_be_drawn(example):
    result = CliRunner().invoke(main, ["graph", str(EXAMPLES / example)])
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "flowchart TB")
