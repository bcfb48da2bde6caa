"""The conversation of `bots.py` in aiogram, in a module of its own: only one contender imports aiogram."""

from typing import Any

from aiogram import Dispatcher
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.fsm.storage.memory import MemoryStorage
from aiogram.types import Message


class Form(StatesGroup):
    """Its states."""

    name = State()
    city = State()


def dispatcher() -> Dispatcher:
    """Return a dispatcher with the conversation."""
    router = Dispatcher(storage=MemoryStorage())

    @router.message(Command("start"))
    async def start(message: Message, state: FSMContext) -> None:
        await state.set_data({"name": "", "city": "", "said": 0})
        await state.set_state(Form.name)

    @router.message(Form.name)
    async def name(message: Message, state: FSMContext) -> None:
        said = (await state.get_data())["said"]
        await state.update_data(name=message.text, said=said + 1)
        await state.set_state(Form.city)

    @router.message(Form.city)
    async def city(message: Message, state: FSMContext) -> None:
        said = (await state.get_data())["said"]
        await state.update_data(city=message.text, said=said + 1)
        await state.set_state(Form.name)

    return router


def said(router: Dispatcher) -> int:
    """Return how many steps of all persons stand in what is stored."""
    storage: Any = router.storage
    return sum(record.data["said"] for record in storage.storage.values())
