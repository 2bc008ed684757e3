"""What plugins may not use: one table of names for each rule, and looking names up in it."""

from __future__ import annotations

import builtins
import fnmatch
import itertools
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache

from mixpeek_dagster.plugins.security.rules import (
    DOUBTFUL,
    DYNAMIC_CODE,
    DYNAMIC_IMPORT,
    EXECUTION,
    FILE_CHANGES,
    FILES,
    INTROSPECTION,
    LOW_LEVEL,
    MUTATION,
    NATIVE_CODE,
    PATH,
    PICKLES,
    PLATFORM,
    PRIVATE,
    PRIVATE_ELSEWHERE,
    PROCESSES,
    REMOTE_CODE,
    UNPICKLING,
    Rule,
    words,
)

_MODULES: dict[Rule, str] = {
    EXECUTION: "mailcap _osx_support _bootsubprocess _aix_support pipes tkinter _tkinter IPython imaplib"
    " subprocess commands popen2 pty pexpect sh plumbum fabric"
    " paramiko invoke webbrowser antigravity",
    DYNAMIC_CODE: "timeit dis logging.config lib2to3 mako jinja2.nativetypes six.moves _xxsubinterpreters"
    " _interpreters concurrent.interpreters rlcompleter zipapp compileall py_compile"
    " pyximport Cython code codeop runpy cProfile profile pdb bdb doctest trace pydoc",
    DYNAMIC_IMPORT: "unittest lazy_loader imp zipimport pkgutil pkg_resources site ensurepip pip venv setuptools"
    " distutils builtins",
    LOW_LEVEL: "ctypes _ctypes cffi socket _socket socketserver fcntl resource mmap posix _posixsubprocess nt msvcrt"
    " winreg http.server xmlrpc.server wsgiref.simple_server  _io _pyio _frozen_importlib"
    " _frozen_importlib_external _imp numpy.ctypeslib telnetlib",
    PROCESSES: "multiprocessing _multiprocessing billiard concurrent.futures.process",
    FILES: "fileinput linecache dbm",
    UNPICKLING: "tracemalloc pstats pandas.compat.pickle_compat shelve _pickle cPickle",
    PICKLES: "pickle marshal dill cloudpickle jsonpickle",
    PLATFORM: "mixpeek_dagster serving",
}

_MEMBERS: dict[Rule, str] = {
    EXECUTION: "psutil.Popen anyio.run_process anyio.open_process huggingface_hub.utils.run_subprocess"
    " torch.utils.collect_env torch.distributed.run torch.distributed.launch torch.distributed.elastic"
    " os.system os.popen os.exec* os.spawn* os.posix_spawn* os.startfile"
    " subprocess.Popen subprocess.run subprocess.call subprocess.check_* subprocess.get*output"
    " asyncio.create_subprocess_* asyncio.subprocess",
    DYNAMIC_CODE: "typing.get_type_hints typing_extensions.get_type_hints sympy.S sympy.simplify sympy.parsing"
    " sympy.core.sympify six.exec_ six.reraise dataclasses.FunctionType enum.FunctionType"
    " numpy.testing.runstring numpy.testing.rundocs numpy.testing.measure sympy.sympify"
    " sympy.parse_expr"
    " sympy.lambdify cython.inline code.interact"
    " code.Interactive* code.compile_command"
    " runpy.run_* cProfile.run* profile.run* pydoc.locate trace.Trace builtins.eval builtins.exec builtins.compile"
    " builtins.breakpoint types.FunctionType types.CodeType"
    " types.LambdaType typing.ForwardRef typing._eval_type"
    " annotationlib.ForwardRef"
    " ast.compile"
    "",
    DYNAMIC_IMPORT: "importlib.metadata.EntryPoint importlib.metadata.entry_points importlib_metadata.EntryPoint"
    " werkzeug.utils.import_string tornado.util.import_object django.utils.module_loading"
    " xml.sax.make_parser builtins.__import__ importlib.import_module importlib.__import__"
    " importlib.reload"
    " importlib.find_loader importlib.machinery importlib.abc importlib._bootstrap importlib._bootstrap_external"
    " importlib.util.spec_from_* importlib.util.module_from_spec importlib.util.LazyLoader importlib.sys"
    " pydantic.ImportString pydantic.types.ImportString pydantic.v1.PyObject hydra.utils.*"
    " sys.modules sys.meta_path sys.path_hooks sys.path_importer_cache sys.path"
    " transformers.dynamic_module_utils torch.package"
    " inspect.getmodule inspect.sys inspect.importlib inspect.builtins",
    LOW_LEVEL: "socket.socket socket.create_* ctypes.CDLL ctypes.PyDLL ctypes.cdll ctypes.pythonapi"
    " asyncio.start_server asyncio.start_unix_server asyncio.open_connection asyncio.open_unix_connection"
    " os.setuid os.setgid os.setsid os.chroot os.ptrace os.mknod os.mkfifo os.dup os.dup2 os.pipe os.pipe2"
    " os.memfd_create os.pidfd_open os.unshare os.setns os.add_dll_directory os.sendfile",
    PROCESSES: "multiprocessing.Process multiprocessing.Pool multiprocessing.get_context os.fork os.forkpty os.kill"
    " os.killpg os.abort os._exit os.wait*"
    " concurrent.futures.ProcessPoolExecutor torch.multiprocessing signal.raise_signal signal.pthread_kill"
    " signal.setitimer",
    FILES: "urllib.request.build_opener urllib.request.OpenerDirector urllib.request.FileHandler"
    " argparse.FileType logging.FileHandler logging.handlers.* shlex.shlex"
    " xml.sax.saxutils.prepare_input_source io.OpenWrapper tarfile.bltn_open builtins.license"
    " builtins.copyright builtins.credits click.open_file click.File fileinput.* builtins.open io.open"
    " io.open_code io.FileIO os.open os.fdopen os.read os.pread os.readv os.write"
    " os.pwrite"
    " os.writev codecs.open codecs.builtins tokenize.open gzip.open bz2.open lzma.open gzip.GzipFile bz2.BZ2File"
    " lzma.LZMAFile aiofiles.* anyio.open_file pathlib.Path.open pathlib.Path.read_* pathlib.Path.write_*"
    " pathlib.PosixPath.open pathlib.PosixPath.read_* pathlib.PosixPath.write_*"
    f" {PATH}.open {PATH}.read_* {PATH}.write_* io.builtins pathlib.io pathlib._local configparser.open"
    " builtins.input sys.stdin",
    MUTATION: "builtins.setattr builtins.delattr sys.setprofile sys.settrace threading.settrace threading.setprofile"
    " sys.addaudithook sys.setdlopenflags sys.excepthook sys.unraisablehook sys.breakpointhook sys.displayhook",
    FILE_CHANGES: "os.rmdir os.removedirs os.rename os.renames os.replace os.truncate os.symlink"
    " os.link os.chmod os.chown os.lchown shutil.rmtree shutil.move shutil.chown shutil.copy* shutil.unpack_archive"
    f" {PATH}.rmdir {PATH}.rename {PATH}.replace {PATH}.symlink_to {PATH}.hardlink_to {PATH}.chmod",
    UNPICKLING: "yaml.Loader yaml.CLoader yaml.CUnsafeLoader yaml.loader yaml.FullLoader yaml.constructor"
    " pickle.load pickle.loads pickle.Unpickler pickle._load pickle._loads pickle._Unpickler"
    " marshal.load"
    " marshal.loads dill.load dill.loads dill.Unpickler cloudpickle.load cloudpickle.loads jsonpickle.decode"
    " jsonpickle.unpickler shelve.open yaml.unsafe_load yaml.unsafe_load_all yaml.UnsafeLoader yaml.full_load",
    PICKLES: "pandas.read_pickle joblib.load joblib.numpy_pickle",
    DOUBTFUL: "urllib.request.* fsspec.open smart_open.open tarfile.open urllib.request.urlopen"
    " urllib.request.urlretrieve"
    " urllib.request.URLopener",
    REMOTE_CODE: "torch.hub.load torch.hub.load_state_dict_from_url",
    NATIVE_CODE: "torch.utils.cpp_extension torch.ops.load_library torch.classes.load_library numpy.f2py"
    " numpy.distutils",
    INTROSPECTION: "gc.get_objects gc.get_referrers gc.get_referents sys._getframe sys._current_frames"
    " inspect.currentframe inspect.stack"
    " inspect.trace inspect.getmembers inspect.getmembers_static string.Formatter builtins.__annotations__"
    " inspect.getouterframes inspect.getinnerframes inspect.getattr_static inspect.getclosurevars"
    " builtins.globals builtins.locals builtins.__builtins__ builtins.__loader__ builtins.__spec__"
    " builtins.__build_class__ traceback.walk_stack traceback.walk_tb",
}

_ATTRIBUTES: dict[Rule, str] = {
    INTROSPECTION: "__path__ __package__ __breakpointhook__ __excepthook__ __displayhook__ __unraisablehook__"
    " __interactivehook__ __match_args__ __subclasses__ __globals__ __builtins__ __code__"
    " __closure__ __bases__ __base__ __mro__ mro"
    " __self__ __loader__ __spec__ tb_frame tb_next f_globals f_builtins f_locals"
    " f_back f_code __annotations__ gi_frame gi_code cr_frame cr_code ag_frame ag_code func_globals func_code",
    DYNAMIC_IMPORT: "get_data set_data source_to_code get_code create_module __import__ load_module exec_module"
    " import_module",
    FILES: "read_text read_bytes write_text write_bytes",
    EXECUTION: "popen execv execve execl execle execlp execvp execvpe posix_spawn posix_spawnp spawnl spawnv spawnve"
    " subprocess_exec subprocess_shell create_subprocess_exec create_subprocess_shell forkpty",
    NATIVE_CODE: "load_extension enable_load_extension load_library LoadLibrary",
}

GUARDED = words("gc os sys io codecs importlib pickle marshal inspect types shutil builtins")
"""Modules that may be imported but whose attributes are not all allowed."""

ALIASES = {
    "_os": "os",
    "posix": "os",
    "nt": "os",
    "_sys": "sys",
    "_io": "io",
    "_importlib": "importlib",
    "bltns": "builtins",
    "cPickle": "pickle",
}
COMMON = words("os io types code inspect")
"""Guarded modules whose names objects of other kinds have, too."""

STRINGS_AS_CODE = words(
    "pydantic.create_model pydantic.TypeAdapter pydantic.RootModel dataclasses.make_dataclass typing.NamedTuple"
    " typing.TypedDict typing.cast"
)
RISKY_KEYWORDS = {
    ("trust_remote_code", True): REMOTE_CODE,
    ("weights_only", False): PICKLES,
    ("allow_pickle", True): PICKLES,
}
PATH_STEPS = words(
    "joinpath resolve absolute expanduser with_suffix with_name with_stem relative_to with_segments readlink"
)
PATH_LISTS = frozenset({"glob", "rglob", "iterdir"})

_HARMLESS = words(
    "timeit.default_timer inspect.signature inspect.Signature inspect.Parameter inspect.cleandoc inspect.getdoc"
    " inspect.isfunction inspect.isclass inspect.ismethod inspect.isbuiltin inspect.isroutine inspect.iscoroutine"
    " inspect.iscoroutinefunction inspect.isawaitable inspect.isgenerator inspect.isgeneratorfunction"
    " inspect.isasyncgen inspect.isasyncgenfunction inspect.isabstract inspect.ismodule inspect.BoundArguments"
)
"""Members that may be used of modules whose others may not."""
_ALLOWED_ONLY = {"inspect": INTROSPECTION}
_DUNDER = words(
    "__version__ __name__ __doc__ __file__ __all__ __init__ __call__ __class__ __dict__ __module__ __qualname__"
    " __len__ __getitem__ __enter__ __exit__ __iter__ __next__ __repr__ __str__ __hash__ __eq__ __future__ __main__"
)

_BUILTINS = frozenset(dir(builtins)) | {"__builtins__", "__loader__", "__spec__", "__annotations__"}


def _split(table: dict[Rule, str]) -> dict[str, Rule]:
    return {name: rule for rule, names in table.items() for name in names.split()}


MODULES = _split(_MODULES)
ATTRIBUTES = _split(_ATTRIBUTES)
_PATTERNS = _split(_MEMBERS)
_EXACT = {name: rule for name, rule in _PATTERNS.items() if "*" not in name and "?" not in name}
_WILD: dict[str, list[tuple[str, Rule]]] = {}
for _name, _rule in _PATTERNS.items():
    if _name not in _EXACT:
        _WILD.setdefault(_name.rpartition(".")[0], []).append((_name, _rule))
# Modules that libraries import for themselves; other names, such as numpy.trace, only look like modules.
_REEXPORTED = words(
    "pkgutil linecache runpy fcntl mmap codeop zipimport pydoc rlcompleter "
    "subprocess ctypes _ctypes socket _socket multiprocessing builtins pty shelve _pickle pickle marshal"
)
_HEADS = frozenset({name.split(".", maxsplit=1)[0] for name in (*MODULES, *_PATTERNS)} | GUARDED | set(ALIASES))
_LONGEST = 4

TELLTALES = words("__subclasses__ __globals__ __builtins__ __import__ __mro__ __bases__ __base__ __code__ __closure__")
"""Names that no text needs but one that is run as code or a template."""
OS_FUNCTIONS = words(
    "system popen execv execve execl spawnl spawnv spawnve posix_spawn fork forkpty kill killpg fdopen"
)
FORBIDDEN_BUILTINS = frozenset(name.removeprefix("builtins.") for name in _EXACT if name.startswith("builtins."))


def is_builtin(name: str) -> bool:
    """Whether a name that nothing binds is one of Python's own."""
    return name in _BUILTINS


def is_interesting(part: str) -> bool:
    """Whether some rule begins with this part of a dotted name."""
    return part in _HEADS


@lru_cache(maxsize=65536)
def rule_for(name: str) -> tuple[str, Rule] | None:
    """The worst rule that a resolved dotted name breaks, and what breaks it, as `os.system` in `torch.os.system`.

    Args:
        name: absolute; `.core.x` is of the plugin itself, and `?.os.system` hangs on an unknown object.
    """
    return min(_hits(name), key=lambda hit: (hit[1].severity, -len(hit[0])), default=None)


def _hits(name: str) -> Iterator[tuple[str, Rule]]:
    parts = name.split(".")
    known = not name.startswith((".", "?"))
    for start, part in enumerate(parts):
        if part in _HEADS:
            rest = [ALIASES.get(part, part), *parts[start + 1 : start + _LONGEST]]
            for candidate in itertools.accumulate(rest, "{}.{}".format):
                is_module = known and (not start or part in _REEXPORTED or part in ALIASES)
                rule = _EXACT.get(candidate) or _wild(candidate) or (MODULES.get(candidate) if is_module else None)
                if rule is None or any(harmless in f"{'.'.join(rest)}." for harmless in _harmless(rest[0])):
                    continue
                # Every builtin is resolved to `builtins.x`; to import that module is another matter.
                if candidate != "builtins" or start or len(parts) == 1:
                    yield candidate, rule
            if len(rest) > 1 and rest[0] in _ALLOWED_ONLY and ".".join(rest[:2]) not in _HARMLESS:
                yield ".".join(rest[:2]), _ALLOWED_ONLY[rest[0]]
    if known and parts[0] != "builtins":
        private = next((part for part in parts[1:] if _is_private(part)), None)
        if private is not None:
            yield private, PRIVATE if parts[0] in sys.stdlib_module_names else PRIVATE_ELSEWHERE


def _harmless(module: str) -> list[str]:
    return [f"{name}." for name in _HARMLESS if name.startswith(f"{module}.")]


def _is_private(part: str) -> bool:
    return part.startswith("_") and part not in _DUNDER and part not in ALIASES and part.strip("_") != ""


def guarded_module(name: str) -> str | None:
    """The guarded module that a resolved name is, as `os` for `torch.os`; None if it is none."""
    last = name.rpartition(".")[2]
    if name.startswith("?") and last not in ALIASES and last != "builtins":
        return None
    last = ALIASES.get(last, last)
    return last if last in GUARDED and not name.startswith("builtins.") else None


def is_imported(name: str) -> bool:
    """Whether a resolved name is of a library."""
    return not name.startswith(("?", "builtins.")) and "()" not in name


def names_danger(name: str) -> bool:
    """Whether a name, looked up in a namespace as a string, gives something forbidden."""
    return (
        name in FORBIDDEN_BUILTINS or name in OS_FUNCTIONS or name in ATTRIBUTES or name in GUARDED or name in MODULES
    )


def broken_by(names: Iterable[str]) -> tuple[str, Rule] | None:
    """The worst rule that any of the names breaks."""
    found = [hit for hit in map(rule_for, names) if hit is not None]
    return min(found, key=lambda hit: (hit[1].severity, hit[0]), default=None)


def _wild(candidate: str) -> Rule | None:
    head, _, last = candidate.rpartition(".")
    return next(
        (rule for pattern, rule in _WILD.get(head, ()) if fnmatch.fnmatchcase(last, pattern.rpartition(".")[2])), None
    )
