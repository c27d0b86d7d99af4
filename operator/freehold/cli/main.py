"""The `freehold` command, which is `kubectl freehold` too.

What a command needs is imported when it runs: the operator's process holds nothing of what only people look at.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import click
from click.shell_completion import ShellComplete

from freehold.cli import completion
from freehold.cli.completion import FILES, NO_FILES, VARIABLE
from freehold.cli.connection import Place, placed
from freehold.views.errors import Failure

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def main() -> None:
    """Run a subcommand. Exit code 2: it could not do what was asked; 1: it did, and the answer is no."""
    plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    freehold(prog_name="kubectl freehold" if plugin else "freehold", complete_var=completion.VARIABLE)


@click.group(context_settings=SETTINGS)
def freehold() -> None:
    """Every service stands on its own ground."""


@freehold.command()
@click.option("--liveness", metavar="URL", default="http://0.0.0.0:8080/healthz", help="Where to answer probes.")
@click.option("--metrics-port", metavar="PORT", type=int, help="Serve Prometheus metrics there, at /metrics.")
def operator(liveness: str, metrics_port: int | None) -> None:
    """Run the operator.

    Against the cluster it is in, or the one KUBECONFIG names.
    """
    import kopf

    from freehold.controller import handlers, settings

    try:
        level = settings.from_environment().log_level
    except ValueError as error:
        raise Failure(str(error)) from error
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for noisy in ("kopf", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    registry = kopf.get_default_registry()
    assert handlers  # imported for its handlers
    asyncio.run(
        kopf.operator(
            registry=registry,
            clusterwide=True,
            standalone=True,
            liveness_endpoint=liveness,
            memo=kopf.Memo(metrics_port=metrics_port),
        )
    )


@freehold.command()
def crd() -> None:
    """Print the CustomResourceDefinition."""
    from freehold.api.crd import as_yaml

    click.echo(as_yaml(), nl=False)


@freehold.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def complete(shell: str) -> None:
    """Print completion for a shell.

    As in: source <(freehold completion bash). `kubectl freehold` is completed by kubectl's own completion.
    """
    click.echo(completion.script(freehold, shell))


def formed(*forms: str, default: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option that says in which form to answer."""
    return click.option("-o", "--output", type=click.Choice(forms), default=default, help="The form of the answer.")


@freehold.command()
@placed()
@formed("wide", "json", "yaml")
def matrix(place: Place, output: str | None) -> None:
    """Who reaches what, as declared and proven.

    ✓ open, · closed, ✗ found to be other than declared, ? cannot be judged. Exit code 1: there is a ✗.
    """
    from freehold.cli.commands import run as commands

    sys.exit(commands.matrix(place, output))


@freehold.command()
@click.argument("source", metavar="FROM", shell_complete=completion.services)
@click.argument("target", metavar="TO", shell_complete=completion.services)
@placed(everywhere=False)
def why(place: Place, source: str, target: str) -> None:
    """Why FROM reaches TO or not; how to open it.

    FROM is a service, as `name` or `namespace/name`, or `stranger`: any pod that is not Freehold's, or `gateway
    namespace/name` in quotes: the proxies of a Gateway. TO is a service, `name:port`, or `name-database`. Exit code 0:
    it is open; 1: it is refused.
    """
    from freehold.cli.commands import run as commands

    sys.exit(commands.why(place, source, target))


@freehold.command()
@placed()
@formed("tree", "dot", "mermaid", "json", "yaml", default="tree")
def graph(place: Place, output: str) -> None:
    """Who stands on what and consumes whom.

    Behind a service stands what a call of it may take, and the longest path of calls that it begins.
    """
    from freehold.cli.commands import run as commands

    commands.graph(place, output)


@freehold.command()
@click.argument("name", required=False, shell_complete=completion.services)
@placed()
@formed("json", "yaml")
@click.option("-w", "--watch", is_flag=True, help="Go on, and say what turns.")
def status(place: Place, name: str | None, output: str | None, watch: bool) -> None:
    """Is it well, where is it, what does it want.

    A service is well when it is ready as it is declared now; below the table stands each condition that is not met,
    with the way out. Exit code 1: something is not well.
    """
    from freehold.cli.commands import run as commands

    sys.exit(commands.status(place, name, output, watch=watch))


@freehold.command()
@click.argument("name", metavar="SERVICE", shell_complete=completion.services)
@click.option(
    "--to",
    "aims",
    metavar="KEY=VALUE",
    multiple=True,
    help="zone=b, any label of nodes, class=NAME, namespace=NAME, or cluster=SECRET.",
)
@click.option("--back", "mode", flag_value="back", help="To where it stood before the switch.")
@click.option("--pause", "mode", flag_value="pause", help="Hold it before its next step.")
@click.option("--resume", "mode", flag_value="resume", help="Let it go on.")
@click.option("--abort", "mode", flag_value="abort", help="Before the switch: stay.")
@click.option("--wait/--no-wait", default=True, help="Follow it to its end, which is what it does unless told not to.")
@placed(everywhere=False)
@formed("json", "yaml")
def move(place: Place, name: str, aims: tuple[str, ...], mode: str | None, wait: bool, output: str | None) -> None:
    """Move SERVICE's database, and its pods, to another place.

    With no option, follow the move that is under way. Ctrl-C leaves it going. With -o, what came of it alone. Exit code
    0: it stands there; 1: the move was stopped, and the service serves from where it was.
    """
    from freehold.cli.commands import move as moving

    sys.exit(moving.run(place, name, aims, mode, output, wait=wait))


@freehold.command()
@click.argument("name")
@click.option("--server", metavar="URL", help="The API server as pods there reach it, if not the kubeconfig's.")
@placed(everywhere=False)
def introduce(place: Place, name: str, server: str | None) -> None:
    """Let another cluster see this namespace, as NAME.

    Prints a Secret to apply there, for services to move between the two: its kubeconfig may read, in this namespace
    alone, what a move needs, which is Microservices, their pods, servers, volumes and Secrets. Both clusters are
    introduced to each other: freehold introduce east --context east -n shop | kubectl apply --context west -f -
    """
    from freehold.cli import output as show
    from freehold.cli.commands import introduce as meeting

    click.echo(show.document(asyncio.run(meeting.introduced(place, name, server)), "yaml"))


@freehold.group()
def contract() -> None:
    """What a service offers, and what would change."""


@contract.command("show")
@click.argument("name", metavar="SERVICE", shell_complete=completion.services)
@placed(everywhere=False)
@formed("json", "yaml", "binpb")
def contract_show(place: Place, name: str, output: str | None) -> None:
    """What SERVICE offers, and who calls it.

    As it was read from the image that serves. With -o binpb, the descriptor set itself, for protoc, grpcurl or buf.
    """
    from freehold.cli.commands import run as commands

    sys.exit(commands.contract(place, name, output))


@contract.command("diff")
@click.argument("name", metavar="SERVICE", shell_complete=completion.services)
@placed(everywhere=False)
@click.option(
    "--against",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Instead of the image that waits: a descriptor set, as by protoc --include_imports -o FILE.",
)
@formed("json", "yaml")
def contract_diff(place: Place, name: str, against: Path | None, output: str | None) -> None:
    """What a new SERVICE changes, and for whom.

    Compares what the image that serves offers with what the one that waits would. ✗ breaks a consumer, ! would break
    one that nobody declared, + breaks nobody. Exit code 1: there is a ✗.
    """
    from freehold.cli.commands import run as commands

    sys.exit(commands.contract_diff(place, name, against, output))


@freehold.command()
@click.argument("name", metavar="SERVICE", shell_complete=completion.services)
@placed(everywhere=False)
@click.option("--lang", type=click.Choice(["python", "go", "java", "node"]), required=True, help="For which language.")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where to write the stubs.",
)
@click.option("--force", is_flag=True, help="Overwrite files that differ.")
def client(place: Place, name: str, lang: str, out: Path, force: bool) -> None:
    """Write stubs that call SERVICE.

    From the contract that it publishes: nobody needs its .proto files. Python needs nothing else; what another language
    needs is said if it is missing.
    """
    from freehold.cli.commands import run as commands

    sys.exit(commands.client(place, name, lang, out, force=force))


@freehold.command()
@click.argument("name")
@click.option("--lang", "language", type=click.Choice(["python", "go", "java", "node"]), required=True)
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), default=Path(), help="Where to make it.")
def new(name: str, language: str, out: Path) -> None:
    """Make a service to begin with.

    A folder NAME with a service that builds, passes its own tests and becomes Ready when applied: contract, migration,
    image, Tiltfile, Microservice. A folder that exists is left as it is.
    """
    from freehold.cli.commands import new as made

    folder = made.make(name, language, out)
    click.echo("\n".join(made.text(folder, name, language)))


def for_kubectl() -> None:
    """kubectl runs this as `kubectl_complete-freehold` with the words so far, the unfinished one last."""
    from freehold.cli.main import freehold

    *words, unfinished = sys.argv[1:] or [""]
    items = ShellComplete(freehold, {}, "kubectl freehold", VARIABLE).get_completions(words, unfinished)
    for item in items:
        if item.type == "plain":
            click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(FILES if any(item.type == "file" for item in items) else NO_FILES)
