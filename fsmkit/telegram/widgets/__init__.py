"""Small flows to call from a flow of one's own; each shows one message, edits it, and returns a value.

Called as `("call", widget, data)`, a widget ends with its value, which comes back in `Returned`. Each is an
ordinary flow in a file of its own: to have one that is different, copy the file. Only names here.
"""

from fsmkit.telegram.widgets.calendar import Calendar, calendar
from fsmkit.telegram.widgets.lists import MultiSelect, PagedList, multi_select, paged_list
from fsmkit.telegram.widgets.yesno import YesNo, yes_no

__all__ = [
    "Calendar",
    "MultiSelect",
    "PagedList",
    "YesNo",
    "calendar",
    "multi_select",
    "paged_list",
    "yes_no",
]
