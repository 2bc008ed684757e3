"""Commands that are run in the process and over HTTP, and verbs that have only one of the two."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Step:
    """A command that is run both ways.

    Args:
        line: its arguments; `{name}` stands for what an earlier step of the same side has kept.
        keep: what its JSON holds under a key, by the name that later steps use.
        code: its exit code.
    """

    line: str
    keep: dict[str, str] = field(default_factory=dict)
    code: int = 0


# In this order, each first in the process and then over HTTP, in two namespaces of the same stores.
STEPS = (
    Step("plugin push {folder} --json"),
    Step("plugin list --json"),
    Step("plugin show tiny_1_0_0 --json"),
    Step("plugin deploy tiny_1_0_0 --json"),
    Step("plugin status tiny_1_0_0 --json"),
    Step("plugin undeploy tiny_1_0_0 --json"),
    Step("plugin disable tiny_1_0_0 --json"),
    Step("collection create early --plugin tiny_1_0_0 --bucket early --json", code=1),
    Step("plugin enable tiny_1_0_0 --json"),
    Step("plugin bento tiny_1_0_0 --json", code=1),
    Step("plugin manifests tiny_1_0_0 --image none", code=1),
    Step("collection create notes --plugin tiny_1_0_0 --bucket notes --json"),
    Step("collection create notes --plugin nothing_1_0_0 --bucket notes", code=1),
    Step("collection create above --plugin tiny_1_0_0 --from notes --json"),
    Step("collection list --json"),
    Step("ingest {files} --bucket notes --json", keep={"batch": "batch_id"}),
    Step("ingest {files} --bucket notes --json"),
    Step("ingest {folder}/nowhere --bucket notes", code=1),
    Step("batch list notes --json"),
    Step("batch retry {batch}", code=1),
    Step("bucket create shelf --schema {schema} --json"),
    Step("bucket create shelf", code=1),
    Step("bucket list --json"),
    Step("bucket schema shelf --json"),
    Step("bucket schema shelf --clear --json"),
    Step("bucket sync on shelf --include *.jpg --priority 2 --json"),
    Step("bucket sync on fresh --json"),
    Step("bucket sync status shelf --json"),
    Step("bucket sync off fresh --json"),
    Step("bucket backfill shelf --json"),
    Step("bucket backfill fresh --json", code=1),
    Step("bucket reconcile shelf --json"),
    Step("bucket reconcile notes --json", code=1),
    Step("bucket reconcile notes --repair --json"),
    Step("batch retry {failed} --all --json"),
    Step("batch retry {failed}", code=1),
    Step("batch retry-qdrant-write {done} --json"),
    Step("search nowhere words", code=1),
    Step("keys create ci --permission read --days 3 --json", keep={"key": "key_id"}),
    Step("keys list --json"),
    Step("keys revoke {key} --json"),
    Step("keys revoke key_none", code=1),
    Step("models upload {model} --name little --version 1.0.0 --json"),
    Step("models list --json"),
    Step("models rm little_1_0_0 --json"),
    Step("infer --json"),
    Step("infer all_minilm_l6_v2 --text hello --json", code=1),
    Step("collection delete notes", code=1),
    Step("collection delete above --json"),
    Step("bucket delete notes", code=1),
    Step("bucket delete fresh --json"),
)


# Once the documents are there, which two namespaces cannot get at the same moment.
SEARCHES = (
    Step("search notes note --json"),
    Step("search notes --file {file} --vector vector --limit 2 --json"),
    Step("search notes note --vector none", code=1),
    Step("search notes", code=1),
    Step("collection delete notes --json"),
    Step("plugin delete tiny_1_0_0 --json"),
)
APART = {"materialize"}
"""Has a test of its own, since at a server it is a run of Dagster."""
REFUSED = {
    "up": "up",
    "demo": "demo",
    "api": "api",
    "models add": "models add --packaged",
    "models pull": "models pull org/name",
}
"""Works on this machine alone, and says so."""
TOOLS = {"plugin new", "plugin check", "plugin pack", "doctor"}
"""Works on files of this machine, or looks at it, and needs no stores."""
