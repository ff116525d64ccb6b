"""Graphs that are rewritten value by value: the tool of `simplify`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import onnx
from onnx import helper, numpy_helper

from bfrb.arrays import Array

Node = onnx.NodeProto


class Editor:
    """A graph that is rewritten value by value.

    Parameters
    ----------
    graph
        Read here, and written to by `finish`.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._nodes: list[Node] = list(graph.node)
        self._constants = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
        self._outputs = {value.name for value in graph.output}
        self._new: list[Node] = []
        self._count = 0
        # A graph that was rewritten before has such names already.
        self._taken = {name for node in self._nodes for name in node.output} | set(self._constants)
        self._index()

    def _index(self) -> None:
        self._makers = {name: node for node in self._nodes for name in node.output}
        self._uses: dict[str, int] = dict.fromkeys(self._outputs, 1)
        for node in self._nodes:
            for name in node.input:
                self._uses[name] = self._uses.get(name, 0) + 1

    def maker(self, name: str, *kinds: str) -> Node | None:
        """The node that makes a value, if it is of one of these kinds."""
        node = self._makers.get(name)
        return node if node is not None and node.op_type in kinds else None

    def is_used_once(self, node: Node) -> bool:
        """Whether only one other node uses what a node makes."""
        return self._uses.get(node.output[0]) == 1

    def constant(self, name: str) -> Array | None:
        """The value of a constant."""
        return self._constants.get(name)

    def holds(self, name: str, *numbers: float) -> bool:
        """Whether a value is a constant with just these numbers."""
        value = self._constants.get(name)
        return value is not None and tuple(value.ravel().tolist()) == numbers

    def keep(self, value: Array) -> str:
        """Name of a new constant."""
        name = self._name()
        self._constants[name] = value
        return name

    def make(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Name of a new value, made by a new node."""
        name = self._name()
        self._new.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def _name(self) -> str:
        self._count += 1
        while (name := f"simpler_{self._count}") in self._taken:
            self._count += 1
        return name

    def apply(self, rule: Rule) -> None:
        """Put what a rule gives in the place of every value it knows something simpler for."""
        for node in self._nodes.copy():
            if node.output[0] in self._outputs or self._makers.get(node.output[0]) is not node:
                continue
            simpler = rule(self, node)
            if simpler is not None:
                place = next(number for number, other in enumerate(self._nodes) if other is node)
                self._nodes[place:place] = self._new
                self._replace(node.output[0], simpler)
            self._new.clear()

    def _replace(self, old: str, new: str) -> None:
        """Let all users of a value use another one, and drop what nobody uses then."""
        for node in self._nodes:
            if old in node.input:
                node.input[:] = [new if name == old else name for name in node.input]
        used = set(self._outputs)
        kept = []
        for node in reversed(self._nodes):
            if used.intersection(node.output):
                kept.append(node)
                used.update(node.input)
        self._nodes = kept[::-1]
        self._index()

    def finish(self) -> None:
        """Write nodes and constants back into the graph."""
        used = {name for node in self._nodes for name in node.input}
        kept = [numpy_helper.from_array(value, name) for name, value in self._constants.items() if name in used]
        del self._graph.node[:], self._graph.initializer[:], self._graph.value_info[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend(kept)


Rule = Callable[[Editor, Node], str | None]
"""The name of a simpler value than the one a node makes, if the rule knows one."""


def either_way(node: Node | None, kind: str) -> Iterator[tuple[str, str]]:
    """The two inputs of a node of some kind, in both orders."""
    if node is not None and node.op_type == kind:
        first, second = node.input
        yield first, second
        yield second, first


def input_of(graph: Editor, node: Node | None, kind: str, *makers: str, **attributes: Any) -> Node | None:
    """What makes the first input of a node, if both are of these kinds."""
    if node is None or node.op_type != kind:
        return None
    fits = all(attribute_of(node, name) == value for name, value in attributes.items())
    return graph.maker(node.input[0], *makers) if fits else None


def attributes_of(node: Node) -> dict[str, Any]:
    """The attributes of a node by name."""
    return {found.name: helper.get_attribute_value(found) for found in node.attribute}


def attribute_of(node: Node, name: str, default: Any = None) -> Any:
    """One attribute of a node."""
    return attributes_of(node).get(name, default)
