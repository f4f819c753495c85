"""Renders conversations with the model's own chat template, as the product does."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

SOURCE = Path(__file__).with_name("chat_template.jinja")


def text() -> str:
    return SOURCE.read_text(encoding="utf-8").rstrip("\n")


@cache
def _compiled() -> jinja2.Template:
    world = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    world.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return world.from_string(text())


def render(messages: list[dict], tools: list[dict] | None = None, prompt: bool = False, think: bool | None = None) -> str:
    """Renders messages; with prompt up to where the model's answer begins."""
    extra = {} if think is None else {"enable_thinking": think}
    return _compiled().render(messages=messages, tools=tools, add_generation_prompt=prompt, **extra)
