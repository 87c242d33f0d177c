"""Pydantic's errors about a request, in the words that clients of the contracts parse."""

from __future__ import annotations

import difflib

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from tagsweep.worker.errors import ItemError
from tagsweep.worker.models.fields import MOST_NAMES


def item_error(detail: ErrorDetails, model: type[BaseModel]) -> ItemError:
    """Return an error that pydantic found in a ``model``, in our words."""
    path = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in detail["loc"])
    code, reason = _words(detail, model)
    return {"path": path, "code": code, "reason": reason}


def _words(  # noqa: PLR0911  # a table
    detail: ErrorDetails, model: type[BaseModel]
) -> tuple[str, str]:
    """Return code and reason, in the words that clients of the detach contract parse."""
    kind, value = detail["type"], detail["input"]
    if value is None and kind.endswith("_type"):
        return "null", "This field may not be null."
    type_name = type(value).__name__
    match kind:
        case "missing":
            return "required", "This field is required."
        case "extra_forbidden":
            return "unknown_field", "Unknown field." + _suggestion(detail, model)
        case "string_type" | "string_unicode":
            return "invalid", "Not a valid string."
        case "string_too_short":
            return "blank", "This field may not be blank."
        case "string_too_long":
            most = detail["ctx"]["max_length"]
            return "max_length", f"Ensure this field has no more than {most} characters."
        case "too_long":
            return "max_length", f"Ensure this field has no more than {MOST_NAMES} elements."
        case "list_type":
            return "not_a_list", f'Expected a list of items but got type "{type_name}".'
        case "model_type" | "model_attributes_type" | "dict_type":
            return "not_an_object", f'Expected a JSON object but got type "{type_name}".'
        case _:
            return kind, detail["msg"]


def _suggestion(detail: ErrorDetails, model: type[BaseModel]) -> str:
    if len(detail["loc"]) != 1:
        return ""
    close = difflib.get_close_matches(str(detail["loc"][0]), model.model_fields, n=1)
    return f" Did you mean {close[0]}?" if close else ""
