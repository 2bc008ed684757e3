"""Finds what each scope of a file binds, before anything is judged."""

from __future__ import annotations

import ast

from mixpeek_dagster.plugins.security.names import EXCEPTION, Functions
from mixpeek_dagster.plugins.security.scopes import Binding, Scope

_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Binder(ast.NodeVisitor):
    """Walks a file once.

    Attributes:
        scopes: the scope that a module, class, function, lambda or comprehension opens.
    """

    def __init__(self, package: str = "") -> None:
        self.scopes: dict[ast.AST, Scope] = {}
        self._package = package
        self._scope = Scope("module")
        self._uncertain = 0

    def bind_module(self, tree: ast.Module) -> Scope:
        """Fill `scopes`; returns the module's own."""
        self.scopes[tree] = self._scope
        for statement in tree.body:
            self.visit(statement)
        return self._scope

    def generic_visit(self, node: ast.AST) -> None:
        """Go into a node; what is in a block may not happen."""
        if isinstance(node, _BLOCKS):
            self._uncertain += 1
            super().generic_visit(node)
            self._uncertain -= 1
        else:
            super().generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """`import a.b` binds `a`; `import a.b as c` binds `c` to `a.b`."""
        for alias in node.names:
            name = alias.asname or alias.name.split(".")[0]
            self._bind(name, node, origin=alias.name if alias.asname else name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """`from a import b as c` binds `c` to `a.b`; a relative one is absolute within the plugin."""
        module = self._absolute(node)
        for alias in node.names:
            if alias.name == "*":
                self._scope.module.stars.append(module)
            else:
                name = f"{module}{alias.name}" if module.endswith(".") else f"{module}.{alias.name}"
                self._bind(alias.asname or alias.name, node, origin=name)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Each target gets the value, or its part of it."""
        for target in node.targets:
            self._target(target, node.value)
        self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """The target is of the annotation's class, and has the value if there is one."""
        if isinstance(node.target, ast.Name):
            self._bind(node.target.id, node, kind=node.annotation)
            if node.value is not None:
                self._bind(node.target.id, node, value=node.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """The target can be anything after it."""
        if isinstance(node.target, ast.Name):
            self._bind(node.target.id, node)
        self.visit(node.value)
        if not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """A walrus binds around comprehensions."""
        scope = self._scope
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        scope.bind(node.target.id, Binding(node.end_lineno or node.lineno, value=node.value))
        self.visit(node.value)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        """The target gets the items."""
        self._target(node.target, node.iter, item=True)
        self.visit(node.iter)
        self._uncertain += 1
        for statement in (*node.body, *node.orelse):
            self.visit(statement)
        self._uncertain -= 1

    visit_AsyncFor = visit_For

    def visit_withitem(self, node: ast.withitem) -> None:
        """What a context manager gives is not known."""
        if node.optional_vars is not None:
            self._target(node.optional_vars, None)
        self.visit(node.context_expr)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """The exception's name is bound, and deleted at the end of the block."""
        if node.name:
            self._bind(node.name, node, origin=EXCEPTION)
            self._scope.deleted.add(node.name)
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        """A deleted name can mean the builtin again."""
        for target in node.targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Del):
                    for scope in self._scope.elsewhere.get(part.id, [self._scope]):
                        scope.deleted.add(part.id)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        """The names are the module's."""
        for name in node.names:
            self._scope.elsewhere[name] = [self._scope.module]

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        """The names are those of an enclosing function: of any, since it may bind them later."""
        outer = [scope for scope in self._scope.chain() if scope is not self._scope and scope.kind == "function"]
        for name in node.names:
            self._scope.elsewhere[name] = outer or [self._scope.module]

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        """A pattern's name can be anything."""
        if node.name:
            self._bind(node.name, node)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        """A pattern's rest can be anything."""
        if node.name:
            self._bind(node.name, node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A function binds its name outside and its parameters inside."""
        self._bind(node.name, node)
        for outside in (*node.decorator_list, *([node.returns] if node.returns else [])):
            self.visit(outside)
        self._function(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """A lambda binds its parameters."""
        self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class binds its name outside and its body inside."""
        self._bind(node.name, node, bases=tuple(node.bases))
        for outside in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
            self.visit(outside)
        self._inside(node, "class", node.body)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        """A comprehension has its targets to itself."""
        outer = self._scope
        # The first iterable belongs to the scope around.
        self.visit(node.generators[0].iter)
        self._scope = Scope("comprehension", outer)
        self.scopes[node] = self._scope
        for number, generator in enumerate(node.generators):
            self._target(generator.target, generator.iter, item=True)
            if number:
                self.visit(generator.iter)
            for condition in generator.ifs:
                self.visit(condition)
        for part in [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]:
            self.visit(part)
        self._scope = outer

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def _function(self, node: Functions) -> None:
        arguments = node.args
        for default in (*arguments.defaults, *(value for value in arguments.kw_defaults if value is not None)):
            self.visit(default)
        outer = self._scope
        self._scope = Scope("function", outer)
        self.scopes[node] = self._scope
        everything = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
        positional = [*arguments.posonlyargs, *arguments.args]
        self._scope.first = positional[0].arg if positional and outer.kind == "class" else ""
        for argument in everything:
            if argument is not None:
                self._bind(argument.arg, argument, kind=argument.annotation)
        outside, self._uncertain = self._uncertain, 0
        for statement in [node.body] if isinstance(node, ast.Lambda) else node.body:
            self.visit(statement)
        self._scope, self._uncertain = outer, outside

    def _inside(self, node: ast.AST, kind: str, body: list[ast.stmt]) -> None:
        outer, self._scope = self._scope, Scope(kind, self._scope)
        self.scopes[node] = self._scope
        for statement in body:
            self.visit(statement)
        self._scope = outer

    def _target(self, target: ast.expr, value: ast.expr | None, *, item: bool = False) -> None:
        match target:
            case ast.Name():
                self._bind(target.id, target, value=value, item=item)
            case ast.Starred():
                self._target(target.value, None)
            case ast.Tuple() | ast.List():
                parts = value.elts if isinstance(value, ast.Tuple | ast.List) and not item else []
                paired = len(parts) == len(target.elts)
                for index, part in enumerate(target.elts):
                    self._target(part, parts[index] if paired else None)
            case _:
                self.visit(target)

    def _bind(
        self,
        name: str,
        node: ast.stmt | ast.expr | ast.arg | ast.ExceptHandler | ast.pattern,
        *,
        origin: str = "",
        value: ast.expr | None = None,
        item: bool = False,
        kind: ast.expr | None = None,
        bases: tuple[ast.expr, ...] = (),
    ) -> None:
        certain = not self._uncertain and name not in self._scope.elsewhere
        end = max(node.end_lineno or node.lineno, getattr(value, "end_lineno", 0) or 0)
        binding = Binding(end, certain, origin, value, item, kind, bases)
        self._scope.bind(name, binding)

    def _absolute(self, node: ast.ImportFrom) -> str:
        """The module's name; a plugin's own begin with a dot, counted from the plugin's folder."""
        if not node.level:
            return node.module or ""
        parents = self._package.split(".") if self._package else []
        kept = parents[: max(len(parents) - node.level + 1, 0)]
        return "." + ".".join([*kept, *([node.module] if node.module else [])])
